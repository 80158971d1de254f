//! A bar on the terminal while something lasts.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What takes less than this needs no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// How far a command has come.
pub struct Progress {
    bar: ProgressBar,
    /// Where the bar is drawn once it is due; until then nowhere.
    target: Option<ProgressDrawTarget>,
}

impl Progress {
    /// Nothing is done yet, and nothing is drawn.
    pub fn new(target: ProgressDrawTarget) -> Progress {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg}");
        Progress {
            bar: bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())),
            target: Some(target),
        }
    }

    /// There is more to do.
    pub fn expect(&self, more: u64) {
        self.bar.inc_length(more);
    }

    /// One step more is done; so long it has lasted.
    pub fn step(&mut self, what: &str, elapsed: Duration) {
        if elapsed >= PATIENCE
            && let Some(target) = self.target.take()
        {
            self.bar.set_draw_target(target);
        }
        self.bar.set_message(what.to_owned());
        self.bar.inc(1);
    }

    /// Prints beside the bar.
    pub fn beside<R>(&self, print: impl FnOnce() -> R) -> R {
        self.bar.suspend(print)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use indicatif::InMemoryTerm;

    use super::*;

    fn on_a_terminal() -> (InMemoryTerm, Progress) {
        let terminal = InMemoryTerm::new(10, 40);
        let progress = Progress::new(ProgressDrawTarget::term_like(Box::new(terminal.clone())));
        progress.expect(3);
        (terminal, progress)
    }

    #[test]
    fn what_is_quick_shows_no_bar() {
        let (terminal, mut progress) = on_a_terminal();
        progress.step("dc.tcp", Duration::from_millis(999));
        assert_eq!(terminal.contents(), "");
    }

    #[test]
    fn what_lasts_shows_how_far_it_is_until_it_ends() {
        let (terminal, mut progress) = on_a_terminal();
        progress.step("dc.tcp", Duration::from_millis(10));
        progress.step("dc.tcp", Duration::from_secs(2));
        assert!(terminal.contents().ends_with("2/3 dc.tcp"), "{}", terminal.contents());
        drop(progress);
        assert_eq!(terminal.contents(), "");
    }
}
