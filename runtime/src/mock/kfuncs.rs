//! What each kernel function does to the world.

use tcpc_stdlib::kfunc::Kfunc;

use super::World;
use super::helpers::negated;
use crate::guest::Region;

impl World {
    /// Calls a kernel function.
    ///
    /// # Errors
    /// In words: this kernel has no such function, or its arguments are none that a verifier would let pass.
    pub fn call_kernel(&mut self, kfunc: &'static Kfunc, args: [u64; 5]) -> Result<u64, String> {
        if kfunc.since > self.kernel.version {
            let (since, version) = (kfunc.since, self.kernel.version);
            return Err(format!("kernels before {since} do not have it, and this one is {version}"));
        }
        let [first, second, ..] = args;
        match kfunc.name {
            "bpf_cast_to_kern_ctx" => {
                self.check_context(first)?;
                Ok(Region::KernelContext.address(0))
            }
            "bpf_sock_ops_enable_tx_tstamp" if first != Region::KernelContext.address(0) => {
                Err(format!("its first argument is {first:#x} instead of the kernel's own context"))
            }
            "bpf_sock_ops_enable_tx_tstamp" => Ok(self.stamp(kfunc, second)),
            _ => Err("the mock kernel does not have this function".into()),
        }
    }

    /// The send that begins is stamped on its way.
    fn stamp(&mut self, kfunc: &Kfunc, flags: u64) -> u64 {
        let here = self.sock.event().is_some_and(|event| kfunc.events.contains(&event.name));
        match (here, flags) {
            (false, _) => negated("EOPNOTSUPP"),
            (true, 0) => {
                self.sock.stamped = true;
                0
            }
            (true, _) => negated("EINVAL"),
        }
    }
}
