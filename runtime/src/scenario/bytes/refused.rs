//! What the kernel refused in a run.

use tcpc_lang::show::show_value;
use tcpc_stdlib::kernel::errno_name;
use tcpc_stdlib::manifest::Place;

use super::Bytes;
use crate::mock::options;
use crate::report::Refused;
use crate::vm::{Call, Outcome};

impl Bytes<'_> {
    /// The socket options that could not be set and the header options that could not be sent, from the calls of the
    /// run.
    pub(super) fn refused(&self, outcome: &Outcome) -> Vec<Refused> {
        let failed = outcome.calls.iter().filter(|call| call.result != 0);
        failed.filter_map(|call| self.refusal(call)).collect()
    }

    fn refusal(&self, call: &Call) -> Option<Refused> {
        let after = self.object.lines.partition_point(|line| line.slot <= call.slot);
        let place = self.object.lines.get(after.wrapping_sub(1)).map(|line| {
            let file = (line.file != self.source.file_name()).then(|| line.file.clone());
            Place { line: line.line, file }
        });
        let (option, value, place) = match call.helper {
            "bpf_setsockopt" => {
                let (option, bytes) = call.option.as_ref()?;
                let value = options::shown(option, bytes).map(|value| show_value(option.ty, &value));
                // What no rule says stands in no line: the program asks for events before its rules.
                let place = place.filter(|_| option.reserved.is_none());
                (option.name.to_string(), value.unwrap_or_default(), place)
            }
            "bpf_reserve_hdr_opt" | "bpf_store_hdr_opt" => {
                (format!("send {}", self.sent_at(place.as_ref())?), String::new(), place)
            }
            _ => return None,
        };
        let number = (call.result as i64).unsigned_abs() as u32;
        let errno = errno_name(number).map_or_else(|| number.to_string(), str::to_string);
        Some(Refused { option, value, errno, place })
    }

    /// The header option that a line sends.
    fn sent_at(&self, place: Option<&Place>) -> Option<&str> {
        let place = place?;
        let spans = |send: &&tcpc_lang::hir::Send| {
            let last = self.source.line(send.span.end.saturating_sub(1).max(send.span.start));
            let first = self.source.place(send.span.start);
            first.file == place.file && (first.line..=last).contains(&place.line)
        };
        let send = self.program.sends.iter().find(spans)?;
        self.program.headers.get(send.header.index()).map(|header| header.name.as_str())
    }
}
