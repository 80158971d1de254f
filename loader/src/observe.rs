//! What a process of its own looks at policies with: programs, ring buffers and the data of an attached policy, all
//! gone when they are dropped. Nothing here is pinned.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use aya::maps::{Map, MapData, MapError, MapType, RingBuf};

use crate::error::LoaderError;
use crate::pins::map_pin;
use crate::{maps, sys, trial};

/// A sock_ops program of the caller's own on a cgroup. It is detached when it is dropped, or when the process ends.
#[derive(Debug)]
pub struct Observer {
    _link: OwnedFd,
}

impl Observer {
    /// Attaches a program of these instruction slots, after those that the cgroup has.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn attach(code: &[u64], cgroup: &Path) -> Result<Observer, LoaderError> {
        let program = sys::load_program(code).map_err(LoaderError::system("load the observing program"))?;
        let doing = || LoaderError::system(format!("observe `{}`", cgroup.display()));
        let directory = File::open(cgroup).map_err(doing())?;
        let link = sys::link_program(program.as_fd(), directory.as_fd()).map_err(doing())?;
        Ok(Observer { _link: link })
    }
}

/// While this lives, no packet reaches the sockets of a cgroup.
#[derive(Debug)]
pub struct Silence {
    _link: OwnedFd,
}

impl Silence {
    /// Begins it.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn over(cgroup: &Path) -> Result<Silence, LoaderError> {
        let doing = || LoaderError::system(format!("keep packets from `{}`", cgroup.display()));
        let directory = File::open(cgroup).map_err(doing())?;
        let link = sys::link_ingress(&trial::nothing(), directory.as_fd()).map_err(doing())?;
        Ok(Silence { _link: link })
    }
}

/// A ring buffer that this process reads.
pub struct Ring {
    ring: RingBuf<MapData>,
}

impl Ring {
    /// A new one. `bytes` is a power of two, and at least a page.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn make(bytes: u32) -> Result<Ring, LoaderError> {
        let fd = sys::make_ring(bytes).map_err(LoaderError::system("make a ring buffer"))?;
        Ring::of(MapData::from_fd(fd))
    }

    /// That of an attached policy, by its map's name.
    ///
    /// # Errors
    /// There is none.
    pub fn open(pins: &Path, map: &str) -> Result<Ring, LoaderError> {
        Ring::of(Ok(maps::open(pins, map, &[MapType::RingBuf])?.data))
    }

    fn of(map: Result<MapData, MapError>) -> Result<Ring, LoaderError> {
        let ring = map.and_then(|map| RingBuf::try_from(Map::RingBuf(map)));
        let ring = ring.map_err(io::Error::other).map_err(LoaderError::system("read a ring buffer"))?;
        Ok(Ring { ring })
    }

    /// The next record, if there is one.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        self.ring.next().map(|bytes| bytes.to_vec())
    }

    /// Waits until there are records, but not longer than this.
    ///
    /// # Errors
    /// The system refuses.
    pub fn wait(&self, at_most: Duration) -> Result<(), LoaderError> {
        let waited = sys::wait_for(&[self.ring.as_fd()], at_most);
        waited.map(drop).map_err(LoaderError::system("wait for records"))
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}

/// A section of data of an attached policy, such as `.bss`.
pub struct Section {
    map: MapData,
    /// Its bytes.
    pub size: usize,
}

impl Section {
    /// `None` if the policy has no such section.
    ///
    /// # Errors
    /// The pins cannot be read.
    pub fn open(pins: &Path, name: &str) -> Result<Option<Section>, LoaderError> {
        let path = pins.join(map_pin(name));
        if !path.exists() {
            return Ok(None);
        }
        let opened = maps::open(pins, name, maps::ARRAYS)?;
        Ok(Some(Section { map: opened.data, size: opened.value_size }))
    }

    /// What is in it now.
    ///
    /// # Errors
    /// The system refuses.
    pub fn read(&self) -> Result<Vec<u8>, LoaderError> {
        let mut bytes = vec![0; self.size];
        sys::read_element(self.as_fd(), 0, &mut bytes)
            .map_err(LoaderError::system("read a policy's data"))?;
        Ok(bytes)
    }
}

impl AsFd for Section {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.map.fd().as_fd()
    }
}

/// A key and its value.
pub type RowBytes = (Vec<u8>, Vec<u8>);

/// A hash map of an attached policy, or the storage of its connections, whose keys are then descriptors of sockets.
pub struct Rows {
    map: MapData,
    value_size: usize,
    key_size: usize,
    per_cpu: bool,
}

impl Rows {
    /// Opens a map by its name.
    ///
    /// # Errors
    /// There is none.
    pub fn open(pins: &Path, name: &str) -> Result<Rows, LoaderError> {
        let failed = |error: MapError| LoaderError::System {
            doing: format!("open the map `{name}`"),
            error: io::Error::other(error),
        };
        let map = MapData::from_pin(pins.join(map_pin(name))).map_err(failed)?;
        let info = map.info().map_err(failed)?;
        let (key_size, value_size) = (info.key_size() as usize, info.value_size() as usize);
        let kind = info.map_type().map_err(failed)?;
        let per_cpu = matches!(kind, MapType::PerCpuHash | MapType::PerCpuArray | MapType::LruPerCpuHash);
        Ok(Rows { map, value_size, key_size, per_cpu })
    }

    /// The bytes of a value.
    pub fn value_size(&self) -> usize {
        self.value_size
    }

    /// The value of a key; where each processor has one, the sums of their 64-bit numbers.
    ///
    /// # Errors
    /// The system refuses.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, LoaderError> {
        let doing = || LoaderError::system("read a row of a policy");
        self.fits(key, None).map_err(doing())?;
        let each = self.value_size.next_multiple_of(8);
        let cpus = match self.per_cpu {
            true => aya::util::nr_cpus().map_err(|(_, error)| doing()(error))?,
            false => 1,
        };
        let mut values = vec![0; if self.per_cpu { each * cpus } else { self.value_size }];
        if !sys::read_row(self.map.fd().as_fd(), key, &mut values, 0).map_err(doing())? {
            return Ok(None);
        }
        if !self.per_cpu {
            return Ok(Some(values));
        }
        let mut sums = vec![0u64; each / 8];
        for value in values.chunks(each) {
            for (sum, number) in sums.iter_mut().zip(value.as_chunks().0) {
                *sum = sum.wrapping_add(u64::from_ne_bytes(*number));
            }
        }
        Ok(Some(sums.into_iter().flat_map(u64::to_ne_bytes).take(self.value_size).collect()))
    }

    /// Every key with its value, as [`Rows::get`] has it. Rows that come or go meanwhile may be seen or not.
    ///
    /// # Errors
    /// The system refuses.
    pub fn all(&self) -> Result<Vec<RowBytes>, LoaderError> {
        let mut rows: Vec<RowBytes> = Vec::new();
        let mut next = vec![0; self.key_size];
        loop {
            let last = rows.last().map(|(key, _)| key.as_slice());
            let more = sys::next_key(self.map.fd().as_fd(), last, &mut next);
            if !more.map_err(LoaderError::system("read the rows of a policy"))? {
                return Ok(rows);
            }
            if let Some(value) = self.get(&next)? {
                rows.push((next.clone(), value));
            }
        }
    }

    /// Writes the value of a key.
    ///
    /// # Errors
    /// The system refuses: there is no room.
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<(), LoaderError> {
        self.fits(key, Some(value))
            .and_then(|()| sys::write_row(self.map.fd().as_fd(), key, value))
            .map_err(LoaderError::system("write a row of a policy"))
    }

    /// Whether a key and a value are as long as the map's: the kernel takes as many bytes as those have.
    fn fits(&self, key: &[u8], value: Option<&[u8]>) -> io::Result<()> {
        let whole = value.is_none_or(|value| value.len() == self.value_size && !self.per_cpu);
        match whole && key.len() == self.key_size {
            true => Ok(()),
            false => Err(io::ErrorKind::InvalidInput.into()),
        }
    }
}
