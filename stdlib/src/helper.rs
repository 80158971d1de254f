//! The helper functions that the kernel offers to sock_ops programs.
//!
//! Numbers are those of `__BPF_FUNC_MAPPER` in `include/uapi/linux/bpf.h`; that a helper is
//! available was seen by loading a program that calls it.

use crate::header::LOAD_FROM_SYN;
use crate::kernel::{KernelVersion, v};

/// One helper.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Helper {
    /// Its number, the immediate of the call.
    pub id: u32,
    /// Its name.
    pub name: &'static str,
    /// First kernel that offers it to sock_ops.
    pub since: KernelVersion,
    /// Whether the licence must be GPL-compatible.
    pub gpl: bool,
    /// Signature and restrictions for people; may be empty.
    pub doc: &'static str,
}

/// Helpers that give the same value throughout one run of a program and change nothing: they take the context or
/// its socket, which stay the same.
pub const CONSTANT_HELPERS: &[&str] = &["bpf_get_socket_cookie", "bpf_tcp_sock"];

/// A helper that fails in all events but a few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HelperLimit {
    /// Its name.
    pub helper: &'static str,
    /// The events that may call it.
    pub events: &'static [&'static str],
    /// A flag in its last argument with which every event may.
    pub unless: Option<u64>,
    /// What it fails with elsewhere.
    pub errno: &'static str,
}

/// Events in which a socket map takes a socket: when it is connected or listens.
const WITH_NEW_SOCKET: &[&str] = &["active_established", "passive_established", "tcp_listen"];
/// Events with the header of a segment.
const WITH_HEADER: &[&str] = &["active_established", "passive_established", "parse_hdr_opt", "write_hdr_opt"];

/// Helpers that fail in all events but a few.
#[rustfmt::skip]
pub const HELPER_LIMITS: &[HelperLimit] = &[
    HelperLimit { helper: "bpf_sock_map_update",  events: WITH_NEW_SOCKET,    unless: None,                errno: "EOPNOTSUPP" },
    HelperLimit { helper: "bpf_sock_hash_update", events: WITH_NEW_SOCKET,    unless: None,                errno: "EOPNOTSUPP" },
    HelperLimit { helper: "bpf_load_hdr_opt",     events: WITH_HEADER,        unless: Some(LOAD_FROM_SYN), errno: "EPERM" },
    HelperLimit { helper: "bpf_store_hdr_opt",    events: &["write_hdr_opt"], unless: None,                errno: "EPERM" },
    HelperLimit { helper: "bpf_reserve_hdr_opt",  events: &["hdr_opt_len"],   unless: None,                errno: "EPERM" },
];

impl HelperLimit {
    /// Whether it fails in an event of this name when its last argument has these flags.
    pub fn forbids(&self, event: &str, flags: u64) -> bool {
        !self.events.contains(&event) && self.unless.is_none_or(|unless| flags & unless == 0)
    }
}

impl Helper {
    /// The events that it is limited to, if it is.
    pub fn limit(&self) -> Option<&'static HelperLimit> {
        HELPER_LIMITS.iter().find(|limit| limit.helper == self.name)
    }

    /// Whether a second call in one run is superfluous.
    pub fn is_constant(&self) -> bool {
        CONSTANT_HELPERS.contains(&self.name)
    }
}

/// The helper called `name`.
pub fn helper(name: &str) -> Option<&'static Helper> {
    HELPERS.iter().find(|helper| helper.name == name)
}

/// The helper of this number.
pub fn helper_by_id(id: u32) -> Option<&'static Helper> {
    HELPERS.iter().find(|helper| helper.id == id)
}

/// Every helper, by number. A range of first kernels is given by its upper end.
#[rustfmt::skip]
pub const HELPERS: &[Helper] = &[
    Helper { id: 1, name: "bpf_map_lookup_elem", since: v(4, 13), gpl: false, doc: "(map, key) -> value ptr or NULL" },
    Helper { id: 2, name: "bpf_map_update_elem", since: v(4, 13), gpl: false, doc: "(map, key, value, flags) -> int" },
    Helper { id: 3, name: "bpf_map_delete_elem", since: v(4, 13), gpl: false, doc: "(map, key) -> int" },
    Helper { id: 5, name: "bpf_ktime_get_ns", since: v(4, 13), gpl: false, doc: "() -> u64 ns, monotonic; GPL only before 5.8" },
    Helper { id: 6, name: "bpf_trace_printk", since: v(4, 13), gpl: true, doc: "(fmt, size, ...) -> int; needs CAP_PERFMON" },
    Helper { id: 7, name: "bpf_get_prandom_u32", since: v(4, 13), gpl: false, doc: "() -> u32" },
    Helper { id: 8, name: "bpf_get_smp_processor_id", since: v(4, 13), gpl: false, doc: "() -> u32 cpu" },
    Helper { id: 12, name: "bpf_tail_call", since: v(4, 13), gpl: false, doc: "(ctx, prog_array, index) -> falls through on failure" },
    Helper { id: 14, name: "bpf_get_current_pid_tgid", since: v(6, 10), gpl: false, doc: "" },
    Helper { id: 15, name: "bpf_get_current_uid_gid", since: v(6, 17), gpl: false, doc: "" },
    Helper { id: 16, name: "bpf_get_current_comm", since: v(6, 17), gpl: false, doc: "" },
    Helper { id: 17, name: "bpf_get_cgroup_classid", since: v(6, 17), gpl: false, doc: "" },
    Helper { id: 22, name: "bpf_perf_event_read", since: v(6, 17), gpl: true, doc: "" },
    Helper { id: 25, name: "bpf_perf_event_output", since: v(5, 0), gpl: true, doc: "(ctx, perf_array, flags, data, size) -> int" },
    Helper { id: 35, name: "bpf_get_current_task", since: v(5, 8), gpl: true, doc: "" },
    Helper { id: 37, name: "bpf_current_task_under_cgroup", since: v(6, 17), gpl: false, doc: "" },
    Helper { id: 42, name: "bpf_get_numa_node_id", since: v(4, 13), gpl: false, doc: "() -> int" },
    Helper { id: 46, name: "bpf_get_socket_cookie", since: v(4, 19), gpl: false, doc: "(ctx) -> u64; also valid on request sockets, and the child keeps the same cookie" },
    Helper { id: 49, name: "bpf_setsockopt", since: v(4, 13), gpl: false, doc: "(ctx, level, optname, optval, optlen) -> 0 or -errno; full socket required" },
    Helper { id: 53, name: "bpf_sock_map_update", since: v(4, 14), gpl: false, doc: "(ctx, sockmap, key, flags) -> int; ops 4, 5, 11 only, else -EOPNOTSUPP" },
    Helper { id: 55, name: "bpf_perf_event_read_value", since: v(6, 17), gpl: true, doc: "" },
    Helper { id: 57, name: "bpf_getsockopt", since: v(4, 15), gpl: false, doc: "(ctx, level, optname, optval, optlen) -> 0 or -errno; buffer zeroed on failure; full socket required except TCP_BPF_SYN*" },
    Helper { id: 59, name: "bpf_sock_ops_cb_flags_set", since: v(4, 16), gpl: false, doc: "(ctx, flags) -> 0, or the unsupported bits as a positive number, or -EINVAL without full socket; REPLACES the set" },
    Helper { id: 70, name: "bpf_sock_hash_update", since: v(4, 18), gpl: false, doc: "(ctx, sockhash, key, flags) -> int; ops 4, 5, 11 only, else -EOPNOTSUPP" },
    Helper { id: 80, name: "bpf_get_current_cgroup_id", since: v(6, 4), gpl: false, doc: "" },
    Helper { id: 81, name: "bpf_get_local_storage", since: v(4, 19), gpl: false, doc: "(map, flags=0) -> value ptr; cgroup storage map" },
    Helper { id: 87, name: "bpf_map_push_elem", since: v(4, 20), gpl: false, doc: "" },
    Helper { id: 88, name: "bpf_map_pop_elem", since: v(4, 20), gpl: false, doc: "" },
    Helper { id: 89, name: "bpf_map_peek_elem", since: v(4, 20), gpl: false, doc: "" },
    Helper { id: 93, name: "bpf_spin_lock", since: v(5, 1), gpl: false, doc: "(lock in a map value); no calls until it is unlocked, one lock at a time; not in LRU and per-CPU maps" },
    Helper { id: 94, name: "bpf_spin_unlock", since: v(5, 1), gpl: false, doc: "(lock in a map value)" },
    Helper { id: 96, name: "bpf_tcp_sock", since: v(5, 3), gpl: false, doc: "(sock) -> tcp_sock ptr or NULL" },
    Helper { id: 105, name: "bpf_strtol", since: v(6, 1), gpl: false, doc: "" },
    Helper { id: 106, name: "bpf_strtoul", since: v(6, 1), gpl: false, doc: "" },
    Helper { id: 107, name: "bpf_sk_storage_get", since: v(5, 3), gpl: false, doc: "(sk_storage map, sock, init value or NULL, flags: 1 = create) -> value ptr or NULL" },
    Helper { id: 108, name: "bpf_sk_storage_delete", since: v(5, 3), gpl: false, doc: "(sk_storage map, sock) -> int" },
    Helper { id: 109, name: "bpf_send_signal", since: v(6, 17), gpl: false, doc: "" },
    Helper { id: 112, name: "bpf_probe_read_user", since: v(5, 8), gpl: true, doc: "" },
    Helper { id: 113, name: "bpf_probe_read_kernel", since: v(5, 8), gpl: true, doc: "(dst, size, kernel ptr) -> int; needs CAP_PERFMON" },
    Helper { id: 114, name: "bpf_probe_read_user_str", since: v(5, 8), gpl: true, doc: "" },
    Helper { id: 115, name: "bpf_probe_read_kernel_str", since: v(5, 8), gpl: true, doc: "" },
    Helper { id: 117, name: "bpf_send_signal_thread", since: v(6, 17), gpl: false, doc: "" },
    Helper { id: 118, name: "bpf_jiffies64", since: v(5, 6), gpl: false, doc: "() -> u64 jiffies; needs CAP_BPF" },
    Helper { id: 120, name: "bpf_get_ns_current_pid_tgid", since: v(6, 10), gpl: false, doc: "" },
    Helper { id: 122, name: "bpf_get_netns_cookie", since: v(5, 15), gpl: false, doc: "(ctx or NULL) -> u64" },
    Helper { id: 123, name: "bpf_get_current_ancestor_cgroup_id", since: v(6, 4), gpl: false, doc: "" },
    Helper { id: 125, name: "bpf_ktime_get_boot_ns", since: v(5, 8), gpl: false, doc: "() -> u64 ns incl. suspend" },
    Helper { id: 130, name: "bpf_ringbuf_output", since: v(5, 8), gpl: false, doc: "(ringbuf, data, size, flags) -> int" },
    Helper { id: 131, name: "bpf_ringbuf_reserve", since: v(5, 8), gpl: false, doc: "(ringbuf, const size, flags=0) -> mem ptr or NULL; must be submitted or discarded on every path" },
    Helper { id: 132, name: "bpf_ringbuf_submit", since: v(5, 8), gpl: false, doc: "(mem, flags)" },
    Helper { id: 133, name: "bpf_ringbuf_discard", since: v(5, 8), gpl: false, doc: "(mem, flags)" },
    Helper { id: 134, name: "bpf_ringbuf_query", since: v(5, 8), gpl: false, doc: "(ringbuf, what) -> u64" },
    Helper { id: 136, name: "bpf_skc_to_tcp6_sock", since: v(5, 10), gpl: false, doc: "" },
    Helper { id: 137, name: "bpf_skc_to_tcp_sock", since: v(5, 10), gpl: false, doc: "(sock) -> BTF tcp_sock ptr or NULL; CAP_PERFMON; field reads need a GPL program" },
    Helper { id: 138, name: "bpf_skc_to_tcp_timewait_sock", since: v(5, 10), gpl: false, doc: "" },
    Helper { id: 139, name: "bpf_skc_to_tcp_request_sock", since: v(5, 10), gpl: false, doc: "(sock) -> BTF request ptr or NULL" },
    Helper { id: 140, name: "bpf_skc_to_udp6_sock", since: v(5, 10), gpl: false, doc: "" },
    Helper { id: 141, name: "bpf_get_task_stack", since: v(6, 17), gpl: false, doc: "" },
    Helper { id: 142, name: "bpf_load_hdr_opt", since: v(5, 10), gpl: false, doc: "(ctx, buf, len >= 2, flags: 1 = search the SYN) -> option length or -errno" },
    Helper { id: 143, name: "bpf_store_hdr_opt", since: v(5, 10), gpl: false, doc: "(ctx, option bytes, len, flags=0) -> 0 or -errno; WRITE_HDR_OPT_CB only; invalidates packet pointers" },
    Helper { id: 144, name: "bpf_reserve_hdr_opt", since: v(5, 10), gpl: false, doc: "(ctx, len >= 2, flags=0) -> 0 or -errno; HDR_OPT_LEN_CB only" },
    Helper { id: 148, name: "bpf_copy_from_user", since: v(6, 17), gpl: false, doc: "" },
    Helper { id: 149, name: "bpf_snprintf_btf", since: v(5, 10), gpl: false, doc: "" },
    Helper { id: 153, name: "bpf_per_cpu_ptr", since: v(5, 10), gpl: false, doc: "" },
    Helper { id: 154, name: "bpf_this_cpu_ptr", since: v(5, 10), gpl: false, doc: "" },
    Helper { id: 156, name: "bpf_task_storage_get", since: v(6, 17), gpl: false, doc: "" },
    Helper { id: 157, name: "bpf_task_storage_delete", since: v(6, 17), gpl: false, doc: "" },
    Helper { id: 158, name: "bpf_get_current_task_btf", since: v(5, 15), gpl: true, doc: "" },
    Helper { id: 160, name: "bpf_ktime_get_coarse_ns", since: v(5, 11), gpl: false, doc: "() -> u64 ns coarse" },
    Helper { id: 164, name: "bpf_for_each_map_elem", since: v(5, 13), gpl: false, doc: "(map, callback, ctx, flags=0) -> count" },
    Helper { id: 165, name: "bpf_snprintf", since: v(5, 13), gpl: true, doc: "" },
    Helper { id: 169, name: "bpf_timer_init", since: v(5, 15), gpl: true, doc: "" },
    Helper { id: 170, name: "bpf_timer_set_callback", since: v(5, 15), gpl: true, doc: "" },
    Helper { id: 171, name: "bpf_timer_start", since: v(5, 15), gpl: true, doc: "" },
    Helper { id: 172, name: "bpf_timer_cancel", since: v(5, 15), gpl: true, doc: "" },
    Helper { id: 175, name: "bpf_task_pt_regs", since: v(5, 15), gpl: true, doc: "" },
    Helper { id: 176, name: "bpf_get_branch_snapshot", since: v(6, 17), gpl: true, doc: "" },
    Helper { id: 177, name: "bpf_trace_vprintk", since: v(5, 16), gpl: true, doc: "" },
    Helper { id: 178, name: "bpf_skc_to_unix_sock", since: v(5, 16), gpl: false, doc: "" },
    Helper { id: 180, name: "bpf_find_vma", since: v(6, 17), gpl: false, doc: "" },
    Helper { id: 181, name: "bpf_loop", since: v(5, 17), gpl: false, doc: "(n <= 2^23, callback, ctx, flags=0) -> iterations" },
    Helper { id: 182, name: "bpf_strncmp", since: v(5, 17), gpl: false, doc: "" },
    Helper { id: 191, name: "bpf_copy_from_user_task", since: v(6, 17), gpl: true, doc: "" },
    Helper { id: 194, name: "bpf_kptr_xchg", since: v(5, 19), gpl: false, doc: "" },
    Helper { id: 195, name: "bpf_map_lookup_percpu_elem", since: v(5, 19), gpl: false, doc: "" },
    Helper { id: 196, name: "bpf_skc_to_mptcp_sock", since: v(5, 19), gpl: false, doc: "" },
    Helper { id: 197, name: "bpf_dynptr_from_mem", since: v(5, 19), gpl: false, doc: "" },
    Helper { id: 198, name: "bpf_ringbuf_reserve_dynptr", since: v(5, 19), gpl: false, doc: "" },
    Helper { id: 199, name: "bpf_ringbuf_submit_dynptr", since: v(5, 19), gpl: false, doc: "" },
    Helper { id: 200, name: "bpf_ringbuf_discard_dynptr", since: v(5, 19), gpl: false, doc: "" },
    Helper { id: 201, name: "bpf_dynptr_read", since: v(5, 19), gpl: false, doc: "" },
    Helper { id: 202, name: "bpf_dynptr_write", since: v(5, 19), gpl: false, doc: "" },
    Helper { id: 203, name: "bpf_dynptr_data", since: v(5, 19), gpl: false, doc: "" },
    Helper { id: 208, name: "bpf_ktime_get_tai_ns", since: v(6, 1), gpl: false, doc: "" },
    Helper { id: 209, name: "bpf_user_ringbuf_drain", since: v(6, 1), gpl: false, doc: "" },
    Helper { id: 210, name: "bpf_cgrp_storage_get", since: v(6, 2), gpl: false, doc: "" },
    Helper { id: 211, name: "bpf_cgrp_storage_delete", since: v(6, 2), gpl: false, doc: "" },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::event;
    use crate::kernel::errno_number;

    #[test]
    fn limits_are_of_known_helpers_and_events() {
        for limit in HELPER_LIMITS {
            assert!(helper(limit.helper).is_some() && errno_number(limit.errno).is_some(), "{limit:?}");
            assert!(limit.events.iter().all(|name| event(name).is_some()), "{limit:?}");
        }
    }

    #[test]
    fn the_syn_can_be_searched_in_every_event() {
        let load = helper("bpf_load_hdr_opt").and_then(Helper::limit);
        assert!(load.is_some_and(|load| load.forbids("hdr_opt_len", 0)));
        assert!(load.is_some_and(|load| !load.forbids("hdr_opt_len", LOAD_FROM_SYN)));
        assert!(load.is_some_and(|load| !load.forbids("parse_hdr_opt", 0)));
    }
}
