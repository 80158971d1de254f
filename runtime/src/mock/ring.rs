//! A ring buffer that nobody reads: what programs gave, until it is full.

use tcpc_stdlib::kernel::RINGBUF_HEADER;

use super::maps::MapError;

/// Bytes of a page, the least that a ring buffer is made of.
const PAGE: u32 = 4096;

/// A ring buffer and its records.
#[derive(Clone, Debug)]
pub struct Ring {
    bytes: u32,
    used: u32,
    records: Vec<Vec<u8>>,
}

impl Ring {
    /// An empty one. `None` if it is not of a power of two of pages.
    pub fn new(bytes: u32) -> Option<Ring> {
        (bytes.is_power_of_two() && bytes >= PAGE).then_some(Ring { bytes, used: 0, records: Vec::new() })
    }

    /// `bpf_ringbuf_output` (`kernel/bpf/ringbuf.c`).
    ///
    /// # Errors
    /// `EINVAL` for an unknown flag, `EAGAIN` where there is no room.
    pub fn output(&mut self, record: Vec<u8>, flags: u64) -> Result<(), MapError> {
        // BPF_RB_NO_WAKEUP and BPF_RB_FORCE_WAKEUP.
        if flags & !3 != 0 {
            return Err("EINVAL");
        }
        let bytes = (record.len() as u32 + RINGBUF_HEADER).next_multiple_of(RINGBUF_HEADER);
        // One byte at least stays free: a full ring and an empty one are told apart by it.
        if bytes > self.bytes - 1 - self.used {
            return Err("EAGAIN");
        }
        self.used += bytes;
        self.records.push(record);
        Ok(())
    }

    /// What was given, the oldest first.
    pub fn records(&self) -> &[Vec<u8>] {
        &self.records
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_full_ring_refuses_and_loses_nothing_of_before() {
        let mut ring = Ring::new(PAGE).unwrap();
        // 24 bytes and 8 before them.
        let taken = (0..).take_while(|_| ring.output(vec![7; 24], 0).is_ok()).count();
        assert_eq!(taken, 127, "the last 32 bytes would fill it");
        assert_eq!(ring.output(vec![7; 24], 0), Err("EAGAIN"));
        assert_eq!(ring.output(vec![7; 16], 0), Ok(()));
        assert_eq!(ring.records().len(), 128);
    }

    #[test]
    fn rings_are_powers_of_two_of_pages() {
        assert!(Ring::new(3 * PAGE).is_none() && Ring::new(2048).is_none() && Ring::new(0).is_none());
        assert_eq!(Ring::new(PAGE).unwrap().output(Vec::new(), 4), Err("EINVAL"));
    }
}
