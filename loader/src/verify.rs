//! What the running kernel's verifier says of a policy: it is loaded, attached nowhere, and gone at once.

use crate::attach::{lacks_calls, load_failed, load_object, may_load, the_program};
use crate::error::LoaderError;
use crate::features::{Prober, find};
use crate::image::Image;
use crate::kfuncs;
use crate::params;
use crate::probe;

/// Loads the program of an object, with its constants set as for [`crate::attach`], and lets it go again. What the
/// policy needs and this kernel lacks does not count: the verifier takes options by their number.
///
/// Returns how many instructions the verifier followed, each as often as it came by, where the kernel says so (from
/// Linux 5.16 on: `verified_insns` of `bpf_prog_info`).
///
/// # Errors
/// [`LoaderError::Refused`] with the verifier's log; others if it did not come to that.
pub fn verify(object: &[u8], prober: &dyn Prober) -> Result<Option<u32>, LoaderError> {
    let image = Image::parse(object)?;
    may_load()?;
    let features = find(&image.manifest, image.constants(), probe::kernel()?, prober).features;
    let resolved = match lacks_calls(&image.manifest, &features) {
        true => kfuncs::without_calls(object)?,
        false => kfuncs::resolve(object)?,
    };
    let parameters = params::start_values(&image.manifest, &[])?;
    let mut loaded =
        load_object(&resolved, &image.manifest, probe::host_hz()?, &features, &parameters, None)?;
    let program = the_program(&mut loaded)?;
    program.load().map_err(load_failed)?;
    Ok(program.info().ok().and_then(|info| info.verified_instruction_count()))
}
