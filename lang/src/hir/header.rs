//! TCP header options: what they hold, their bytes, and where they are put into segments.

use tcpc_stdlib::header::{EXID, PREAMBLE, Segment};

use super::{Expr, HeaderId, RuleId};
use crate::source::Span;

/// A TCP header option: kind, length, for experiments an identifier, then the fields, everything in network order.
#[derive(Clone, Debug, PartialEq)]
pub struct HeaderOption {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: u8,
    /// The identifier of an experiment.
    pub exid: Option<u16>,
    /// Its fields, in the order of the wire; they fill whole bytes.
    pub fields: Vec<HeaderField>,
    /// The place of its name.
    pub span: Span,
}

/// A number in a TCP header option.
#[derive(Clone, Debug, PartialEq)]
pub struct HeaderField {
    /// Its name; `_` is one that is always 0.
    pub name: String,
    /// How many bits it has, 1 to 64.
    pub bits: u8,
    /// Its first bit, the most significant one, counted from the beginning of the option.
    pub at: u16,
    /// The place of its name.
    pub span: Span,
}

impl HeaderOption {
    /// Bytes of its kind, its length and, for experiments, its identifier.
    pub fn preamble(&self) -> u8 {
        PREAMBLE + if self.exid.is_some() { EXID } else { 0 }
    }

    /// All its bytes, kind and length included.
    pub fn length(&self) -> u8 {
        let end = self.fields.last().map_or(0, |field| field.at + u16::from(field.bits));
        self.preamble().max(end.div_ceil(8) as u8)
    }

    /// The option with these fields, as it stands in a header. Bits that a field does not have are dropped.
    pub fn encode(&self, values: &[u64]) -> Vec<u8> {
        let mut bytes = vec![0; self.length().into()];
        let head =
            [self.kind, self.length()].into_iter().chain(self.exid.iter().flat_map(|id| id.to_be_bytes()));
        bytes.iter_mut().zip(head).for_each(|(byte, value)| *byte = value);
        for (field, value) in self.fields.iter().zip(values) {
            for bit in (0..field.bits).filter(|bit| value >> bit & 1 == 1) {
                let at = field.at + u16::from(field.bits - 1 - bit);
                bytes[usize::from(at / 8)] |= 0x80 >> (at % 8);
            }
        }
        bytes
    }

    /// The fields of an option that begins with these bytes; `None` if it is another one, or has another length.
    pub fn decode(&self, bytes: &[u8]) -> Option<Vec<u64>> {
        let bytes = bytes.get(..self.length().into())?;
        let blank = self.encode(&[]);
        if bytes[..self.preamble().into()] != blank[..self.preamble().into()] {
            return None;
        }
        let bit = |at: u16| u64::from(bytes[usize::from(at / 8)] >> (7 - at % 8) & 1);
        let value = |at: u16, bits: u8| (at..at + u16::from(bits)).fold(0, |value, at| value << 1 | bit(at));
        Some(self.fields.iter().map(|field| value(field.at, field.bits)).collect())
    }
}

/// A rule that puts a TCP header option into outgoing segments. Its rule has the events `hdr_opt_len`, in which
/// room is reserved, and `write_hdr_opt`.
#[derive(Clone, Debug, PartialEq)]
pub struct Send {
    /// The rule.
    pub rule: RuleId,
    /// The option.
    pub header: HeaderId,
    /// The segments; the rule's condition tests for them too.
    pub segments: Vec<&'static Segment>,
    /// One value for each field.
    pub values: Vec<Expr>,
    /// The whole rule.
    pub span: Span,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(kind: u8, exid: Option<u16>, bits: &[u8]) -> HeaderOption {
        let mut at = if exid.is_some() { 32 } else { 16 };
        let mut field = |&bits: &u8| {
            let field = HeaderField { name: String::new(), bits, at, span: Span::default() };
            at += u16::from(bits);
            field
        };
        let fields = bits.iter().map(&mut field).collect();
        HeaderOption { name: String::new(), kind, exid, fields, span: Span::default() }
    }

    #[test]
    fn the_user_timeout_option_is_that_of_its_rfc() {
        let uto = option(28, None, &[1, 15]);
        assert_eq!(uto.encode(&[1, 300]), [28, 4, 0x81, 0x2c]);
        assert_eq!(uto.decode(&[28, 4, 0x81, 0x2c, 1, 1]), Some(vec![1, 300]));
    }

    #[test]
    fn experiments_have_their_identifier_in_front() {
        let wanted = option(254, Some(0xcc01), &[8]);
        assert_eq!(wanted.encode(&[7]), [254, 5, 0xcc, 0x01, 7]);
        assert_eq!(wanted.decode(&[254, 5, 0xcc, 0x02, 7]), None);
        assert_eq!(wanted.decode(&[254, 6, 0xcc, 0x01, 7, 0]), None);
        assert_eq!(wanted.decode(&[254, 5, 0xcc, 0x01]), None);
    }

    #[test]
    fn fields_cross_bytes_and_keep_only_their_bits() {
        let odd = option(100, None, &[3, 13, 64]);
        let bytes = odd.encode(&[0xff, 0x1001, u64::MAX - 1]);
        assert_eq!(bytes, [100, 12, 0xf0, 0x01, 255, 255, 255, 255, 255, 255, 255, 254]);
        assert_eq!(odd.decode(&bytes), Some(vec![7, 0x1001, u64::MAX - 1]));
    }
}
