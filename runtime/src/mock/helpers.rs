//! What each helper does to the world.

use tcpc_stdlib::field::Struct;
use tcpc_stdlib::helper::Helper;
use tcpc_stdlib::kernel::{BPF_NOEXIST, SK_STORAGE_CREATE, errno_number};
use tcpc_stdlib::option::{OptionValue, SockOption, option_by_number};

use super::{Errno, World, options};
use crate::guest::Region;

/// What a helper call gave.
#[derive(Clone, Debug, PartialEq)]
pub struct HelperResult {
    /// The value in r0.
    pub value: u64,
    /// The socket option that was set or read, with its bytes.
    pub option: Option<(&'static SockOption, Vec<u8>)>,
}

/// Bytes of a socket option at most, whatever length the program names.
const OPTION_BYTES_MAX: u64 = 256;

impl World {
    /// Calls a helper.
    ///
    /// # Errors
    /// In words: the mock kernel has no such helper, or the program gave it memory that it does not have.
    pub fn call(&mut self, helper: &'static Helper, args: [u64; 5]) -> Result<HelperResult, String> {
        if helper.since > self.kernel.version {
            let (since, version) = (helper.since, self.kernel.version);
            return Err(format!("kernels before {since} do not have it, and this one is {version}"));
        }
        if self.memory.locked.is_some() && helper.name != "bpf_spin_unlock" {
            return Err("a lock is held".into());
        }
        let [first, second, third, fourth, _] = args;
        let value = match helper.name {
            "bpf_map_lookup_elem" => self.lookup(first, second)?,
            "bpf_map_update_elem" => self.update(first, second, third, fourth)?,
            "bpf_map_delete_elem" => self.delete(first, second)?,
            "bpf_ktime_get_ns" | "bpf_ktime_get_boot_ns" => self.kernel.now,
            "bpf_jiffies64" => self.kernel.jiffies(),
            "bpf_get_prandom_u32" => self.kernel.random().into(),
            "bpf_get_smp_processor_id" => 0,
            "bpf_get_socket_cookie" => {
                self.check_context(first)?;
                self.sock.cookie
            }
            "bpf_tcp_sock" => {
                check_sock(first)?;
                Region::Struct(Struct::TcpSock).address(0)
            }
            "bpf_sk_storage_get" => self.sock_storage(args)?,
            "bpf_spin_lock" => self.lock(first)?,
            "bpf_spin_unlock" => self.unlock(first)?,
            "bpf_sock_ops_cb_flags_set" => {
                self.check_context(first)?;
                self.set_callback_flags(second as u32)
            }
            "bpf_reserve_hdr_opt" => self.reserve_header(args)?,
            "bpf_store_hdr_opt" => self.store_header(args)?,
            "bpf_load_hdr_opt" => self.load_header(args)?,
            "bpf_ringbuf_output" => self.output(first, second, third, fourth)?,
            "bpf_setsockopt" => return self.setsockopt(args),
            "bpf_getsockopt" => return self.getsockopt(args),
            _ => return Err("the mock kernel does not have this helper".into()),
        };
        Ok(HelperResult { value, option: None })
    }

    pub(super) fn check_context(&self, address: u64) -> Result<(), String> {
        if address == Region::Context.address(0) {
            return Ok(());
        }
        Err(format!("its first argument is {address:#x} instead of the context"))
    }

    fn lookup(&mut self, map: u64, key: u64) -> Result<u64, String> {
        let (index, key) = self.key(map, key)?;
        let found = self.memory.maps[index as usize].lookup(&key);
        Ok(found.map_or(0, |offset| Region::Values(index).address(offset)))
    }

    /// The value that a map keeps with the socket; with the flag it is made from the bytes at the third argument.
    fn sock_storage(&mut self, [map, sock, first, flags, _]: [u64; 5]) -> Result<u64, String> {
        check_sock(sock)?;
        let key = self.sock.cookie.to_le_bytes();
        let (index, map) = self.memory.map(map).map_err(|error| error.to_string())?;
        if !map.is_of_sockets() {
            return Err("its map does not keep values with sockets".into());
        }
        let size = map.value_size();
        if map.lookup(&key).is_none() && flags & SK_STORAGE_CREATE != 0 {
            let value = match first {
                0 => vec![0; size as usize],
                _ => self.memory.bytes(first, size).map_err(|error| error.to_string())?.to_vec(),
            };
            // There are never as many sockets as it takes.
            let _ = self.memory.maps[index as usize].update(&key, &value, BPF_NOEXIST);
        }
        let found = self.memory.maps[index as usize].lookup(&key);
        Ok(found.map_or(0, |offset| Region::Values(index).address(offset)))
    }

    /// One lock at a time, at the beginning of a value.
    fn lock(&mut self, at: u64) -> Result<u64, String> {
        self.memory.bytes(at, 4).map_err(|error| error.to_string())?;
        self.memory.locked = Some(at);
        Ok(0)
    }

    fn unlock(&mut self, at: u64) -> Result<u64, String> {
        match self.memory.locked.take() {
            Some(locked) if locked == at => Ok(0),
            Some(_) => Err("another lock is held".into()),
            None => Err("no lock is held".into()),
        }
    }

    fn update(&mut self, map: u64, key: u64, value: u64, flags: u64) -> Result<u64, String> {
        let (index, key) = self.key(map, key)?;
        let size = self.memory.maps[index as usize].value_size();
        let value = self.memory.bytes(value, size).map_err(|error| error.to_string())?.to_vec();
        Ok(returned(self.memory.maps[index as usize].update(&key, &value, flags)))
    }

    fn delete(&mut self, map: u64, key: u64) -> Result<u64, String> {
        let (index, key) = self.key(map, key)?;
        Ok(returned(self.memory.maps[index as usize].delete(&key)))
    }

    /// A record is there at once and in full, or not at all.
    fn output(&mut self, map: u64, data: u64, size: u64, flags: u64) -> Result<u64, String> {
        let size = u32::try_from(size).map_err(|_| format!("a record of {size} bytes"))?;
        let record = self.memory.bytes(data, size).map_err(|error| error.to_string())?.to_vec();
        let (_, map) = self.memory.map(map).map_err(|error| error.to_string())?;
        let name = map.name().to_owned();
        let ring = map.ring_mut().ok_or_else(|| format!("map `{name}` is no ring buffer"))?;
        Ok(returned(ring.output(record, flags)))
    }

    /// The map's index and the bytes of the key.
    fn key(&mut self, map: u64, key: u64) -> Result<(u32, Vec<u8>), String> {
        let (index, map) = self.memory.map(map).map_err(|error| error.to_string())?;
        let size = map.key_size();
        let key = self.memory.bytes(key, size).map_err(|error| error.to_string())?;
        Ok((index, key.to_vec()))
    }

    /// `bpf_sock_ops_cb_flags_set`: known flags replace the socket's; unknown ones are given back.
    pub fn set_callback_flags(&mut self, flags: u32) -> u64 {
        if !self.sock.is_locked() {
            return negated("EINVAL");
        }
        let known = self.kernel.callback_flags();
        self.sock.set_raw("bpf_sock_ops_cb_flags", (flags & known).into());
        self.refresh();
        (flags & !known).into()
    }

    fn setsockopt(&mut self, args: [u64; 5]) -> Result<HelperResult, String> {
        let [context, level, number, at, length] = args;
        self.check_context(context)?;
        let length = check_length(length)?;
        let bytes = self.memory.bytes(at, length).map_err(|error| error.to_string())?.to_vec();
        let Some(option) = option_by_number(level as u32, number as u32) else {
            return Ok(HelperResult { value: negated("EINVAL"), option: None });
        };
        let set = options::set(&self.kernel, &mut self.sock, option, &bytes);
        self.refresh();
        Ok(HelperResult { value: returned(set), option: Some((option, bytes)) })
    }

    /// On an error the buffer is filled with zeros.
    fn getsockopt(&mut self, args: [u64; 5]) -> Result<HelperResult, String> {
        let [context, level, number, at, length] = args;
        self.check_context(context)?;
        let length = check_length(length)?;
        let option = option_by_number(level as u32, number as u32);
        let (value, mut bytes) = match option {
            Some(option) if option.value == OptionValue::Bytes => self.saved_syn(option, length as usize),
            Some(option) => match options::get(&self.kernel, &self.sock, option, length as usize) {
                Ok(bytes) => (0, bytes),
                Err(errno) => (negated(errno), Vec::new()),
            },
            None => (negated("EINVAL"), Vec::new()),
        };
        bytes.resize(length as usize, 0);
        self.memory.write(at, &bytes).map_err(|error| error.to_string())?;
        Ok(HelperResult { value, option: option.map(|option| (option, bytes)) })
    }

    fn reserve_header(&mut self, args: [u64; 5]) -> Result<u64, String> {
        let [context, length, flags, ..] = args;
        self.check_context(context)?;
        Ok(returned(self.reserve(length, flags)))
    }

    fn store_header(&mut self, args: [u64; 5]) -> Result<u64, String> {
        let [context, at, length, flags, _] = args;
        self.check_context(context)?;
        let length = check_length(length)?;
        let bytes = self.memory.bytes(at, length).map_err(|error| error.to_string())?.to_vec();
        Ok(returned(self.store(&bytes, flags)))
    }

    /// What is found is copied as far as it fits, also when that is an error.
    fn load_header(&mut self, args: [u64; 5]) -> Result<u64, String> {
        let [context, at, length, flags, _] = args;
        self.check_context(context)?;
        let length = check_length(length)?;
        let mut bytes = self.memory.bytes(at, length).map_err(|error| error.to_string())?.to_vec();
        let result = self.load(&mut bytes, flags);
        self.memory.write(at, &bytes).map_err(|error| error.to_string())?;
        Ok(result.unwrap_or_else(negated))
    }
}

fn check_sock(address: u64) -> Result<(), String> {
    if address == Region::Struct(Struct::Sock).address(0) {
        return Ok(());
    }
    Err(format!("its argument is {address:#x} instead of the socket"))
}

fn check_length(length: u64) -> Result<u32, String> {
    match length {
        0..=OPTION_BYTES_MAX => Ok(length as u32),
        _ => Err(format!("its option has {length} bytes, more than any")),
    }
}

/// A helper's result for the kernel's 0 or error number.
fn returned(result: Result<(), Errno>) -> u64 {
    result.map_or_else(negated, |()| 0)
}

/// What a helper returns for an error name: the negated number.
pub(super) fn negated(name: &str) -> u64 {
    (-i64::from(errno_number(name).unwrap_or(0))) as u64
}
