//! What is checked before anything is loaded: does this host have what the policy needs?

use std::fmt;

use tcpc_stdlib::kernel::KernelVersion;
use tcpc_stdlib::manifest::{Manifest, Place};

use crate::error::LoaderError;
use crate::features::{Found, Prober, find};
use crate::image::Image;
use crate::probe;

/// Something that works differently here than the policy says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A congestion control is not registered; the fall-back will be tried.
    Congestion {
        /// Its name.
        name: String,
        /// Where it stands.
        place: Place,
    },
    /// A buffer will be smaller than asked for.
    Buffer {
        /// `sndbuf` or `rcvbuf`.
        option: String,
        /// Bytes asked for.
        bytes: u64,
        /// Where it stands.
        place: Place,
        /// The sysctl that caps it.
        sysctl: &'static str,
        /// Bytes that it allows.
        cap: u64,
    },
    /// The kernel has no IPv6.
    NoIpv6,
    /// What the kernel has could not be tried, for this reason.
    NotTried(String),
}

impl Warning {
    /// The way out.
    pub fn help(&self) -> Option<String> {
        match self {
            Warning::Congestion { name, .. } => Some(format!("load its module: `modprobe tcp_{name}`")),
            Warning::Buffer { sysctl, bytes, .. } => Some(format!("raise it: `sysctl -w {sysctl}={bytes}`")),
            Warning::NoIpv6 | Warning::NotTried(_) => None,
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::Congestion { name, place } => write!(
                f,
                "congestion control `{name}` ({place}) is not registered here, so the next one will be tried"
            ),
            Warning::Buffer { option, bytes, place, sysctl, cap } => write!(
                f,
                "`{option}` = {bytes} bytes ({place}) is cut to {cap} bytes by `{sysctl}` of this host"
            ),
            Warning::NoIpv6 => {
                write!(f, "this kernel has no IPv6: `local_ip` and `remote_ip` read as zero")
            }
            Warning::NotTried(why) => {
                write!(f, "what this kernel has is told by its version, for it could not be tried: {why}")
            }
        }
    }
}

/// The facts of a host that policies depend on.
#[derive(Clone, Debug)]
pub struct Host {
    /// Version of the kernel.
    pub kernel: KernelVersion,
    /// Registered congestion controls, if known.
    pub congestion: Option<Vec<String>>,
    /// Cap of `sndbuf`: sysctl and bytes.
    pub sndbuf: Option<(&'static str, u64)>,
    /// Cap of `rcvbuf`: sysctl and bytes.
    pub rcvbuf: Option<(&'static str, u64)>,
    /// Whether there is IPv6.
    pub ipv6: bool,
}

impl Host {
    /// This host.
    ///
    /// # Errors
    /// It cannot be asked for its kernel's version.
    pub fn probe() -> Result<Host, LoaderError> {
        Ok(Host {
            kernel: probe::kernel()?,
            congestion: probe::congestion_controls(),
            sndbuf: probe::buffer_cap("sndbuf"),
            rcvbuf: probe::buffer_cap("rcvbuf"),
            ipv6: probe::has_ipv6(),
        })
    }

    /// Whether a policy can run here, and what will differ.
    ///
    /// # Errors
    /// A congestion control without a fall-back is missing.
    pub fn check(&self, manifest: &Manifest) -> Result<Vec<Warning>, LoaderError> {
        let mut warnings = self.check_congestion(manifest)?;
        warnings.extend(self.check_buffers(manifest));
        if !self.ipv6 {
            warnings.push(Warning::NoIpv6);
        }
        Ok(warnings)
    }

    /// What the kernel has of what a policy uses and asks for.
    ///
    /// # Errors
    /// It lacks something that the policy uses without asking.
    pub fn features(&self, image: &Image, prober: &dyn Prober) -> Result<Found, LoaderError> {
        let manifest = &image.manifest;
        let found = find(manifest, image.constants(), self.kernel, prober);
        // An object that names no kernel aims at the floor.
        let needs = KernelVersion::parse(&manifest.kernel).unwrap_or(KernelVersion::FLOOR);
        let is_too_old = manifest.needs.is_empty() && self.kernel < needs;
        if is_too_old || self.kernel < KernelVersion::FLOOR || !found.missing.is_empty() {
            return Err(LoaderError::KernelLacks { needs, running: self.kernel, missing: found.missing });
        }
        Ok(found)
    }

    fn check_congestion(&self, manifest: &Manifest) -> Result<Vec<Warning>, LoaderError> {
        let Some(available) = &self.congestion else { return Ok(Vec::new()) };
        let mut warnings = Vec::new();
        for wanted in &manifest.congestion {
            if available.contains(&wanted.name) {
                continue;
            }
            let (name, place) = (wanted.name.clone(), wanted.place.clone());
            if !wanted.has_fallback {
                return Err(LoaderError::CongestionMissing { name, place, available: available.clone() });
            }
            warnings.push(Warning::Congestion { name, place });
        }
        Ok(warnings)
    }

    fn check_buffers<'a>(&'a self, manifest: &'a Manifest) -> impl Iterator<Item = Warning> + 'a {
        manifest.buffers.iter().filter_map(|buffer| {
            let cap = match buffer.option.as_str() {
                "sndbuf" => self.sndbuf,
                "rcvbuf" => self.rcvbuf,
                _ => None,
            };
            let (sysctl, cap) = cap?;
            (buffer.bytes > cap).then(|| Warning::Buffer {
                option: buffer.option.clone(),
                bytes: buffer.bytes,
                place: buffer.place.clone(),
                sysctl,
                cap,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tcpc_stdlib::feature::FeatureKind;
    use tcpc_stdlib::kernel::v;
    use tcpc_stdlib::manifest::{BufferUse, CongestionUse, Requirement};

    use super::*;
    use crate::features::{Answer, Question};

    fn host() -> Host {
        Host {
            kernel: v(5, 15),
            congestion: Some(vec!["reno".into(), "cubic".into()]),
            sndbuf: Some(("net.core.wmem_max", 212_992)),
            rcvbuf: None,
            ipv6: true,
        }
    }

    fn wants(name: &str, has_fallback: bool) -> Manifest {
        let congestion = vec![CongestionUse { name: name.into(), has_fallback, place: 3.into() }];
        Manifest { congestion, ..Manifest::default() }
    }

    /// A kernel of which nothing can be tried.
    struct Nothing;

    impl Prober for Nothing {
        fn answer(&self, questions: &[Question]) -> Vec<Answer> {
            vec![Answer::Unknown; questions.len()]
        }
    }

    #[test]
    fn what_the_kernel_lacks_is_told_with_its_line_and_the_way_out() {
        let need = |construct: &str, kernel: &str| Requirement {
            construct: construct.into(),
            kind: FeatureKind::SetOption,
            kernel: kernel.into(),
            place: 7.into(),
        };
        let error = |needs: &[Requirement]| {
            let manifest = Manifest { kernel: "6.15".into(), needs: needs.to_vec(), ..Manifest::default() };
            host().features(&Image { manifest, symbols: Vec::new() }, &Nothing).unwrap_err()
        };
        let one = error(&[need("rto_max", "6.15"), need("reuseport", "5.14")]);
        assert_eq!(
            one.to_string(),
            "this kernel, Linux 5.15, lacks `rto_max`, which line 7 of the policy uses"
        );
        assert_eq!(one.help().unwrap(), "Linux has it since 6.15; use it only where `kernel has rto_max`");
        let two = error(&[need("rto_max", "6.15"), need("nodelay", "6.1")]);
        assert!(two.to_string().ends_with("lacks `rto_max` (line 7) and `nodelay` (line 7)"), "{two}");
        let none = error(&[]);
        assert_eq!(none.to_string(), "the policy needs Linux 6.15, and this host runs 5.15");
    }

    #[test]
    fn a_missing_congestion_control_is_an_error_unless_another_one_follows() {
        assert!(host().check(&wants("cubic", false)).unwrap().is_empty());
        let error = host().check(&wants("dctcp", false)).unwrap_err();
        assert_eq!(
            error.help().unwrap(),
            "load its module (`modprobe tcp_dctcp`) or name a fall-back; registered here: `reno`, `cubic`"
        );
        let warnings = host().check(&wants("dctcp", true)).unwrap();
        assert_eq!(warnings, [Warning::Congestion { name: "dctcp".into(), place: 3.into() }]);
    }

    #[test]
    fn a_buffer_above_the_cap_is_warned_of_with_the_numbers() {
        let buffer = |option: &str, bytes| BufferUse { option: option.into(), bytes, place: 2.into() };
        let manifest = Manifest {
            buffers: vec![buffer("sndbuf", 212_993), buffer("sndbuf", 212_992), buffer("rcvbuf", 1 << 30)],
            ..Manifest::default()
        };
        let warnings = host().check(&manifest).unwrap();
        assert_eq!(warnings.len(), 1);
        assert_eq!(
            warnings[0].to_string(),
            "`sndbuf` = 212993 bytes (line 2) is cut to 212992 bytes by `net.core.wmem_max` of this host"
        );
        assert_eq!(warnings[0].help().unwrap(), "raise it: `sysctl -w net.core.wmem_max=212993`");
    }

    #[test]
    fn a_kernel_without_ipv6_is_warned_of() {
        let host = Host { ipv6: false, ..host() };
        assert_eq!(host.check(&Manifest::default()).unwrap(), [Warning::NoIpv6]);
    }
}
