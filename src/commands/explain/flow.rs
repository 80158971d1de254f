//! `LOCAL -> REMOTE`, as addresses and ports.

use std::net::{IpAddr, SocketAddr};

use tcpc_lang::diag::{Code, Diagnostic};

/// An address, and a port if there is one.
pub type End = (IpAddr, Option<u16>);

/// Reads both ends of a connection.
pub fn read(text: &str) -> Result<(End, End), Diagnostic> {
    let wrong = |what: String| {
        let help =
            "write `10.0.0.1:40000 -> 10.0.0.2:443`, IPv6 as `[2001:db8::1]:40000`; ports can be left out";
        Diagnostic::without_place(Code::BadFlow, what).help(help)
    };
    let ends = text.split_once("->");
    let (local, remote) =
        ends.ok_or_else(|| wrong(format!("`{text}` is no flow: there is no `->` between two ends")))?;
    let end = |text: &str| {
        let text = text.trim();
        read_end(text).ok_or_else(|| wrong(format!("`{text}` is no address, with a port or without")))
    };
    Ok((end(local)?, end(remote)?))
}

fn read_end(text: &str) -> Option<End> {
    if let Ok(both) = text.parse::<SocketAddr>() {
        return Some((both.ip(), Some(both.port())));
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    Some((bare.parse().ok()?, None))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn ports_and_brackets_can_be_left_out() {
        let six: IpAddr = "2001:db8::1".parse().unwrap();
        let four: IpAddr = "10.0.0.2".parse().unwrap();
        assert_eq!(
            read("[2001:db8::1]:4000 -> 10.0.0.2:443").unwrap(),
            ((six, Some(4000)), (four, Some(443)))
        );
        assert_eq!(read("2001:db8::1->[2001:db8::1]").unwrap(), ((six, None), (six, None)));
        assert_eq!(read("10.0.0.2 -> 10.0.0.2:1").unwrap(), ((four, None), (four, Some(1))));
    }

    #[test]
    fn what_is_no_flow_is_told() {
        for text in ["", "10.0.0.1", "10.0.0.1 -> ", "10.0.0.1:99999 -> 10.0.0.2", "a -> b", "[10.0.0 -> ::1"]
        {
            assert_eq!(read(text).unwrap_err().code, Code::BadFlow, "{text}");
        }
    }
}
