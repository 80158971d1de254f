//! Addresses: both families are four words, IPv4 as `::ffff:a.b.c.d`, since that is how the kernel
//! shows every IPv4 peer. The IPv4 words of the context are read for IPv4 listeners only: they lie on IPv6
//! sockets.

use tcpc_lang::hir::Expr;
use tcpc_stdlib::field::{Field, field};
use tcpc_stdlib::kernel::{AF_INET, AF_INET6, MAPPED_BITS, MAPPED_FIRST};

use super::expr::Operand;
use super::{Lowerer, context_field};
use crate::ir::{BinaryOp, Block, CondOp, Value};

/// The words of an address as the context has them: in network order, read by a little-endian machine.
pub fn words_of(address: u128) -> [u32; 4] {
    [0, 1, 2, 3].map(|word| ((address >> (96 - 32 * word)) as u32).swap_bytes())
}

/// The words of the mask of a prefix length.
fn mask_words(bits: u8) -> [u32; 4] {
    let mask = if bits == 0 { 0 } else { u128::MAX << (128 - u32::from(bits)) };
    words_of(mask)
}

impl Lowerer<'_> {
    /// The four words of an address field.
    pub fn address_words(&mut self, field: &'static Field) -> [Value; 4] {
        let words = [0, 1, 2, 3].map(|word| self.b.field(field, word));
        match self.event {
            Some(event) if !event.has_remote => self.listener_words(words),
            _ => words,
        }
    }

    /// The local address of a listener: the kernel shows that of an IPv4 one in the IPv4 word only, and leaves
    /// the others zero.
    fn listener_words(&mut self, [first, second, third, last]: [Value; 4]) -> [Value; 4] {
        let family = self.b.field(context_field("family"), 0);
        let address = self.b.field(context_field("local_ip4"), 0);
        let inet = self.b.number(u64::from(AF_INET));
        let marker = self.b.number(u64::from(words_of(MAPPED_FIRST)[2]));
        let third = self.select(CondOp::Eq, family, inet, marker, third);
        let last = self.select(CondOp::Eq, family, inet, address, last);
        [first, second, third, last]
    }

    /// Branches on whether an address equals another.
    pub fn lower_ip_equal(&mut self, a: &Expr, b: &Expr, yes: Block, no: Block) {
        let (Operand::Ip(a), Operand::Ip(b)) = (self.lower_operand(a), self.lower_operand(b)) else {
            return self.b.jump(no);
        };
        self.branch_unless_equal(&[3, 2, 1, 0], &a, &b, no);
        self.b.jump(yes);
    }

    fn branch_unless_equal(&mut self, order: &[usize], a: &[Value; 4], b: &[Value; 4], no: Block) {
        for &word in order {
            let next = self.b.new_block();
            self.b.branch(CondOp::Eq, a[word], b[word], next, no);
            self.b.switch_to(next);
        }
    }

    /// Goes on where an address lies in a prefix, branches to `no` where it does not. The words that
    /// tell most are looked at first.
    pub fn branch_unless_in_prefix(&mut self, address: &[Value; 4], prefix: u128, bits: u8, no: Block) {
        let (values, masks) = (words_of(prefix), mask_words(bits));
        let mut order = [3, 2, 1, 0];
        if bits < MAPPED_BITS {
            order.reverse();
        }
        for word in order.into_iter().filter(|&word| masks[word] != 0) {
            let next = self.b.new_block();
            let masked = match masks[word] {
                u32::MAX => address[word],
                mask => self.b.binary_imm(BinaryOp::And, address[word], u64::from(mask)),
            };
            let value = self.b.number(u64::from(values[word] & masks[word]));
            self.b.branch(CondOp::Eq, masked, value, next, no);
            self.b.switch_to(next);
        }
    }

    /// Branches on whether an address is an IPv4 one.
    pub fn branch_mapped(&mut self, address: &[Value; 4], yes: Block, no: Block) {
        let mapped = words_of(MAPPED_FIRST);
        for word in [0, 1] {
            let next = self.b.new_block();
            let zero = self.b.number(u64::from(mapped[word]));
            self.b.branch(CondOp::Ne, address[word], zero, no, next);
            self.b.switch_to(next);
        }
        let marker = self.b.number(u64::from(mapped[2]));
        self.b.branch(CondOp::Eq, address[2], marker, yes, no);
    }

    /// `same_prefix`: both ends agree in their first bits, counted in the family that they are of.
    ///
    /// One socket has both ends of one family, so looking at the local one is enough. With bits for
    /// IPv6 only, the prefix is compared first: it is the likelier test to fail.
    pub fn lower_same_prefix(&mut self, v4: Option<u8>, v6: Option<u8>, yes: Block, no: Block) {
        let (Some(local), Some(remote)) = (field("local_ip"), field("remote_ip")) else {
            return self.b.jump(no);
        };
        let (local, remote) = (self.address_words(local), self.address_words(remote));
        match (v4, v6) {
            (None, None) => self.b.jump(no),
            (None, Some(bits)) => {
                self.branch_unless_same(&local, &remote, bits, no);
                self.branch_mapped(&local, no, yes);
            }
            (Some(bits), v6) => {
                let (four, six) = (self.b.new_block(), self.b.new_block());
                self.branch_mapped(&local, four, if v6.is_some() { six } else { no });
                self.b.switch_to(four);
                self.branch_unless_same_from(3, &local, &remote, MAPPED_BITS + bits, no);
                self.b.jump(yes);
                self.b.switch_to(six);
                if let Some(bits) = v6 {
                    self.branch_unless_same(&local, &remote, bits, no);
                    self.b.jump(yes);
                }
            }
        }
    }

    fn branch_unless_same(&mut self, a: &[Value; 4], b: &[Value; 4], bits: u8, no: Block) {
        self.branch_unless_same_from(0, a, b, bits, no);
    }

    /// Compares two addresses word by word up to `bits`, the words before `first` left out.
    fn branch_unless_same_from(&mut self, first: usize, a: &[Value; 4], b: &[Value; 4], bits: u8, no: Block) {
        let masks = mask_words(bits);
        for word in (first..4).filter(|&word| masks[word] != 0) {
            let next = self.b.new_block();
            match masks[word] {
                u32::MAX => self.b.branch(CondOp::Ne, a[word], b[word], no, next),
                mask => {
                    let differing = self.b.binary(BinaryOp::Xor, a[word], b[word]);
                    let mask = self.b.number(u64::from(mask));
                    self.b.branch(CondOp::Test, differing, mask, no, next);
                }
            }
            self.b.switch_to(next);
        }
    }

    /// The family of the connection: IPv4 over an IPv6 socket is IPv4. Where there is no peer yet it is
    /// the family of the socket.
    pub fn lower_family(&mut self) -> Value {
        let family = self.b.field(context_field("family"), 0);
        if self.event.is_some_and(|event| !event.has_remote) {
            return family;
        }
        let Some(remote) = field("remote_ip") else { return family };
        let (v6_socket, four, six) = (self.b.new_block(), self.b.new_block(), self.b.new_block());
        let (end, result) = self.b.new_block_with_param();
        let inet = self.b.number(u64::from(AF_INET));
        self.b.branch(CondOp::Eq, family, inet, four, v6_socket);
        self.b.switch_to(v6_socket);
        let remote = self.address_words(remote);
        self.branch_mapped(&remote, four, six);
        for (block, number) in [(four, AF_INET), (six, AF_INET6)] {
            self.b.switch_to(block);
            let number = self.b.number(u64::from(number));
            self.b.jump_with(end, number);
        }
        self.b.switch_to(end);
        result
    }
}
