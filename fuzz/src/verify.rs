//! What the checker takes, the running kernel's verifier takes.

use tcpc_loader::{Answer, LoaderError, Prober, Question, verify};

use crate::agree::compiled;
use crate::generate::Made;
use crate::trial::{Broken, Tally};

/// The version tells what a kernel has: to try it each time would take longer than to load.
struct ByVersion;

impl Prober for ByVersion {
    fn answer(&self, questions: &[Question]) -> Vec<Answer> {
        questions.iter().map(|_| Answer::Unknown).collect()
    }
}

/// Loads a policy without attaching it; `keep` gets each object, and the kernel that it needs.
///
/// # Errors
/// The verifier refused it.
pub fn is_taken(made: &Made, keep: &dyn Fn(&[u8], &str)) -> Result<Tally, Broken> {
    let Some(compiled) = compiled(made, true)? else { return Ok(vec![("too large", 1)]) };
    keep(&compiled.object, &compiled.manifest.kernel);
    match verify(&compiled.object, &ByVersion) {
        Ok(followed) => {
            let followed = followed.map(|count| ("instructions followed", count.into()));
            Ok([("instructions", compiled.slots as u64)].into_iter().chain(followed).collect())
        }
        Err(LoaderError::Refused(refusal)) => {
            let line = refusal.line.map_or_else(String::new, |line| format!(" in `{}`", line.text));
            let log: Vec<&str> = refusal.log.lines().rev().take(12).collect();
            let log: Vec<&str> = log.into_iter().rev().collect();
            Err(Broken::new("refused", format!("{}{line}\n{}", refusal.reason, log.join("\n"))))
        }
        Err(error) => Err(Broken::new("not loaded", error.to_string())),
    }
}
