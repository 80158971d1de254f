//! Sets of an attached policy that can be changed: reading and changing them while it runs.
//!
//! A set is two maps, of which the program asks one. Adding and removing change that one, an element at a time. To
//! replace all elements the other one is filled and the selector is changed in one step, so that a policy sees the
//! elements before or those after, and never a set that is half full. A run of the program may still look into the map
//! that was asked before: whoever changes the selector waits until such runs have ended, before and after, and keeps
//! the store locked meanwhile, so that the next command finds a map that nobody asks.

use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use aya::maps::{MapData, MapType};
use tcpc_stdlib::manifest::state::MutableSetInfo;

use crate::error::LoaderError;
use crate::find::Policy;
use crate::maps;
use crate::params::Variables;
use crate::pins::{Lock, Store};
use crate::sys;

/// An element: an address and a length counted in 128 bits, or a port with the length 128.
pub type Element = (u128, u8);

/// Bytes of the value of an element.
const VALUE_SIZE: usize = 1;
/// How many elements one call adds.
const BATCH: usize = 4096;
/// Longer than any run of a program, for kernels that cannot say when all have ended.
const LONG: Duration = Duration::from_millis(200);

/// A set of an attached policy.
pub struct Set<'a> {
    policy: &'a Policy,
    /// What the policy says of it.
    pub info: &'a MutableSetInfo,
    maps: [MapData; 2],
    _lock: Lock,
}

impl<'a> Set<'a> {
    /// Opens a set; other commands wait until it is dropped.
    ///
    /// # Errors
    /// The policy has no such set; the pins cannot be read.
    pub fn open(policy: &'a Policy, name: &str) -> Result<Set<'a>, LoaderError> {
        let known = &policy.record.manifest.state.sets;
        let info = known.iter().find(|info| info.name == name).ok_or_else(|| LoaderError::NoSuchSet {
            name: name.to_owned(),
            policy: policy.name.clone(),
            names: known.iter().map(|info| info.name.clone()).collect(),
        })?;
        let lock = Store::find()?.ok_or(LoaderError::NoPolicy)?.lock()?;
        let maps = open(info, &policy.pins)?;
        Ok(Set { policy, info, maps, _lock: lock })
    }

    /// Its elements, in order.
    ///
    /// # Errors
    /// The system refuses.
    pub fn elements(&self) -> Result<Vec<Element>, LoaderError> {
        let mut elements = elements(self.info, &self.maps[self.asked()?])?;
        elements.sort_unstable();
        Ok(elements)
    }

    /// Adds elements; those that are there already stay. Gives how many are new.
    ///
    /// # Errors
    /// There is no room for all: then none is added.
    pub fn add(&self, added: &[Element]) -> Result<usize, LoaderError> {
        let map = &self.maps[self.asked()?];
        let before = self.elements()?;
        let mut new: Vec<Element> =
            added.iter().copied().filter(|one| before.binary_search(one).is_err()).collect();
        new.sort_unstable();
        new.dedup();
        self.check_room(before.len() + new.len(), before.len())?;
        put(self.info, map, &new)?;
        Ok(new.len())
    }

    /// Removes elements. Gives how many were there.
    ///
    /// # Errors
    /// The system refuses.
    pub fn remove(&self, removed: &[Element]) -> Result<usize, LoaderError> {
        let map = &self.maps[self.asked()?];
        let before = self.elements()?;
        let mut gone: Vec<Element> =
            removed.iter().copied().filter(|one| before.binary_search(one).is_ok()).collect();
        gone.sort_unstable();
        gone.dedup();
        gone.iter().try_for_each(|&element| remove(self.info, map, element))?;
        Ok(gone.len())
    }

    /// Replaces all elements in one step. Gives how many there are now.
    ///
    /// # Errors
    /// There is no room for all: then the set stays as it was.
    pub fn replace(&self, elements: &[Element]) -> Result<usize, LoaderError> {
        let mut elements = elements.to_vec();
        elements.sort_unstable();
        elements.dedup();
        self.check_room(elements.len(), 0)?;
        let other = 1 - self.asked()?;
        let map = &self.maps[other];
        for element in self::elements(self.info, map)? {
            remove(self.info, map, element)?;
        }
        put(self.info, map, &elements)?;
        wait();
        Variables::open(self.policy)?.store(&self.info.selector, other as u64)?;
        wait();
        Ok(elements.len())
    }

    fn asked(&self) -> Result<usize, LoaderError> {
        Ok(usize::from(Variables::open(self.policy)?.load(&self.info.selector)? != 0))
    }

    fn check_room(&self, wanted: usize, has: usize) -> Result<(), LoaderError> {
        let max = self.info.max as usize;
        match wanted <= max {
            true => Ok(()),
            false => Err(LoaderError::SetFull { name: self.info.name.clone(), wanted, max, has }),
        }
    }
}

/// The two maps of a set.
fn open(info: &MutableSetInfo, pins: &Path) -> Result<[MapData; 2], LoaderError> {
    let kinds = if info.has_prefixes() { &[MapType::LpmTrie] } else { &[MapType::Hash] };
    let sizes = (info.key((0, 0)).len(), VALUE_SIZE);
    let one = |name: &String| maps::open_sized(pins, name, kinds, sizes);
    Ok([one(&info.maps[0])?, one(&info.maps[1])?])
}

/// Puts in what a set starts with.
pub(crate) fn fill(info: &MutableSetInfo, pins: &Path) -> Result<(), LoaderError> {
    let maps = open(info, pins)?;
    if info.has_prefixes() {
        let key = info.key(MutableSetInfo::ALL_IPV4);
        for map in &maps {
            sys::write_row(map.fd().as_fd(), &key, &[0]).map_err(changing(info))?;
        }
    }
    put(info, &maps[0], &info.first_elements().collect::<Vec<_>>())
}

fn put(info: &MutableSetInfo, map: &MapData, elements: &[Element]) -> Result<(), LoaderError> {
    for batch in elements.chunks(BATCH) {
        let keys: Vec<Vec<u8>> = batch.iter().map(|&element| info.key(element)).collect();
        // Not every kernel that is tried takes many at once in every kind of map.
        if sys::write_rows(map.fd().as_fd(), batch.len() as u32, &keys.concat(), &vec![1; batch.len()])
            .is_ok()
        {
            continue;
        }
        for key in &keys {
            sys::write_row(map.fd().as_fd(), key, &[1]).map_err(changing(info))?;
        }
    }
    Ok(())
}

/// IPv4 as a whole stays, as no element.
fn remove(info: &MutableSetInfo, map: &MapData, element: Element) -> Result<(), LoaderError> {
    let key = info.key(element);
    match info.has_prefixes() && element == MutableSetInfo::ALL_IPV4 {
        true => sys::write_row(map.fd().as_fd(), &key, &[0]).map_err(changing(info)),
        false => sys::delete_row(map.fd().as_fd(), &key).map(drop).map_err(changing(info)),
    }
}

fn elements(info: &MutableSetInfo, map: &MapData) -> Result<Vec<Element>, LoaderError> {
    let fd = map.fd().as_fd();
    let mut next = info.key((0, 0));
    let mut key: Option<Vec<u8>> = None;
    let mut elements = Vec::new();
    while sys::next_key(fd, key.as_deref(), &mut next).map_err(changing(info))? {
        if let Some(element) = info.element_of(&next) {
            let whole = info.has_prefixes() && element == MutableSetInfo::ALL_IPV4;
            let mut value = [1];
            if !whole || sys::read_row(fd, &next, &mut value, 0).map_err(changing(info))? && value == [1] {
                elements.push(element);
            }
        }
        key = Some(next.clone());
    }
    Ok(elements)
}

fn changing(info: &MutableSetInfo) -> impl FnOnce(std::io::Error) -> LoaderError {
    LoaderError::system(format!("change the set `{}`", info.name))
}

fn wait() {
    if sys::wait_for_programs().is_err() {
        std::thread::sleep(LONG);
    }
}
