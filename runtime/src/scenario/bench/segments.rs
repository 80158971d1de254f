//! Segments: those that a connection sends, and what a server's connection has of its listener.

use tcpc_lang::hir::Role;
use tcpc_stdlib::event::{Event, event};
use tcpc_stdlib::header::{MODE_SEGMENT, Segment};

use super::Bench;
use crate::scenario::engine::Engine;

impl<E: Engine> Bench<'_, E> {
    /// Sends a segment on the connection at hand: the kernel asks for room, and lets the options be written if there
    /// is some, on connections that ask for it. What the last step did is what both events did.
    ///
    /// # Errors
    /// In words: it comes before the event in which a policy asks for such segments, or the program did not end well.
    pub fn transmit(&mut self, segment: &'static Segment) -> Result<(), String> {
        let [Some(room), Some(write)] = ["hdr_opt_len", "write_hdr_opt"].map(event) else {
            return Err("the catalogue has no events for header options".into());
        };
        self.adopt(room, Some(segment));
        if !segment.enabled_in.iter().any(|name| self.world.sock.was_raised(name)) {
            let enabling: Vec<String> = segment.enabled_in.iter().map(|name| format!("`{name}`")).collect();
            return Err(format!(
                "no `{}` is sent before the event in which a policy asks for it: fire {} first",
                segment.name,
                enabling.join(" or ")
            ));
        }
        let args = [MODE_SEGMENT, 0, 0, 0];
        if !self.is_enabled(room) {
            // The kernel asks nobody; the segment has the kernel's own options only.
            self.last = super::Last { segment: Some(segment), args, ..super::Last::default() };
            self.world.begin_for(room, args, Some(segment));
            self.last.rules = self.rules_since(&self.hits());
            return Ok(());
        }
        let before = self.hits();
        self.run(room, args, Some(segment))?;
        if self.world.sock.has_reserved() {
            let refused = std::mem::take(&mut self.last.refused);
            self.run(write, args, Some(segment))?;
            self.last.refused.splice(..0, refused);
        }
        self.last.segment = Some(segment);
        self.last.rules = self.rules_since(&before);
        Ok(())
    }

    /// A server's connection has the options and flags of its listener: of the last socket of the test that began to
    /// listen. Without one it is only told whether the SYN is kept, as the policy says in `tcp_listen`.
    pub(super) fn adopt(&mut self, event: &Event, segment: Option<&Segment>) {
        let is_accepted = event.name != "tcp_listen"
            && self.world.sock.event().is_none()
            && self.world.sock.role_in(event, segment) == Role::Server;
        if !is_accepted {
            return;
        }
        match &self.listener {
            Some(listener) => self.world.sock.inherit(listener),
            None => self.imagine_listener(),
        }
    }

    /// Runs `tcp_listen` on a copy of the world, of which only `save_syn` stays.
    fn imagine_listener(&mut self) {
        let Some(listens) = event("tcp_listen") else { return };
        let mut world = self.world.clone();
        world.begin(listens, [0; 4]);
        if self.engine.rehearse(&mut world) {
            self.world.sock.inherit_save_syn(&world.sock);
        }
    }
}
