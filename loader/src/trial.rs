//! Finding out what the running kernel has by trying it.
//!
//! | asked about | tried |
//! | --- | --- |
//! | a socket option | a program sets or reads it on a connection of its own, in a cgroup of its own |
//! | a field | a program that reads it is loaded |
//! | an event | the kernel's type information has its constant |
//! | many constants | a map of that size is made |
//!
//! An argument that older kernels leave empty shows nowhere, so that one is told by the version.
//!
//! The connection is made by a child process, over loopback, and not waited for. Programs, maps, the child and the
//! cgroup are gone when a trial ends; what a killed one left, the next one removes.

mod cgroup;
mod program;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::os::fd::AsFd;

use tcpc_stdlib::event::event;
use tcpc_stdlib::feature::{Feature, FeatureKind};
use tcpc_stdlib::field::{Field, Struct, field};
use tcpc_stdlib::kernel::{AF_INET6, errno_number};
use tcpc_stdlib::option::{OptionValue, SockOption, option};

use crate::cgroup::cgroup2_mount;
use crate::features::{Answer, Prober, Question};
use crate::sys;
use program::Action;
pub use program::{nothing, slot};

/// The kernel's own description of its types.
const BTF: &str = "/sys/kernel/btf/vmlinux";

/// The running kernel.
pub struct Trial;

impl Prober for Trial {
    fn answer(&self, questions: &[Question]) -> Vec<Answer> {
        let options: Vec<(&SockOption, Action)> = questions.iter().filter_map(of_option).collect();
        let tried = if options.is_empty() { Ok(Vec::new()) } else { try_options(&options) };
        let of_option = |wanted: (&SockOption, Action)| match &tried {
            Ok(answers) => {
                let at = options
                    .iter()
                    .position(|(option, action)| option.name == wanted.0.name && *action == wanted.1);
                at.and_then(|at| answers.get(at).cloned()).unwrap_or(Answer::Unknown)
            }
            Err(error) => Answer::Failed(error.to_string()),
        };
        let answer = |question: &Question| match (self::of_option(question), question) {
            (Some(wanted), _) => of_option(wanted),
            (None, Question::Constants(bytes)) => has_constants(*bytes),
            (None, Question::Feature(feature)) => match feature.kind {
                FeatureKind::Field => match field(feature.name) {
                    Some(field) if field.of == Struct::SockOps => has_field(field),
                    _ => Answer::Unknown,
                },
                FeatureKind::Event => has_event(feature),
                _ => Answer::Unknown,
            },
        };
        questions.iter().map(answer).collect()
    }
}

/// The option that a question is about, and what is asked of it.
fn of_option(question: &Question) -> Option<(&'static SockOption, Action)> {
    let Question::Feature(feature) = question else { return None };
    let action = match feature.kind {
        FeatureKind::SetOption => Action::Set,
        FeatureKind::ReadOption => Action::Read,
        _ => return None,
    };
    let option = option(feature.name)?;
    matches!(option.value, OptionValue::Int | OptionValue::Uint).then_some((option, action))
}

fn try_options(tried: &[(&SockOption, Action)]) -> io::Result<Vec<Answer>> {
    let mount = cgroup2_mount().map_err(io::Error::other)?;
    let mount = mount.ok_or_else(|| io::Error::other("cgroup2 is not mounted"))?;
    let map = sys::make_array(tried.len() as u32 * 4)?;
    let code = program::options(tried, map.as_fd()).ok_or(io::ErrorKind::Unsupported)?;
    let program = sys::load_program(&code)?;
    let cgroup = cgroup::Temporary::make(&mount)?;
    let link = sys::link_program(program.as_fd(), cgroup.directory()?.as_fd())?;

    let only_v6 = |(option, _): &(&SockOption, Action)| program::family_of(option) == Some(AF_INET6);
    let listen_v4 = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let listen_v6 = || TcpListener::bind((Ipv6Addr::LOCALHOST, 0));
    let v4 = if tried.iter().all(only_v6) { None } else { Some(listen_v4()?) };
    // A host without IPv6 has nothing to be tried.
    let v6 = if tried.iter().any(only_v6) { listen_v6().ok() } else { None };
    let port = |listener: &TcpListener| listener.local_addr().map(|address| address.port());
    let (v4_port, v6_port) = (v4.as_ref().map(port).transpose()?, v6.as_ref().map(port).transpose()?);
    sys::connect_in_cgroup(cgroup.processes()?.as_fd(), v4_port, v6_port)?;
    drop(link);

    let mut results = vec![0; tried.len() * 4];
    sys::read_element(map.as_fd(), 0, &mut results)?;
    Ok(results.as_chunks().0.iter().map(|bytes| of_result(u32::from_ne_bytes(*bytes))).collect())
}

/// What an attempt says: 0 is none, else it ended with the error number above 1.
fn of_result(result: u32) -> Answer {
    let is = |name| errno_number(name).is_some_and(|number| number + 1 == result);
    match result {
        0 => Answer::Failed("no connection over loopback came about".into()),
        _ if is("EINVAL") || is("ENOPROTOOPT") => Answer::HasNot,
        _ => Answer::Has,
    }
}

fn has_field(field: &Field) -> Answer {
    match sys::load_program(&program::field(field)) {
        Ok(_) => Answer::Has,
        Err(error) if error.raw_os_error() == Some(libc::EACCES) => Answer::HasNot,
        Err(error) => Answer::Failed(error.to_string()),
    }
}

/// Names in the type information stand between zeros, and a constant of the kernel's headers stands nowhere else.
fn has_event(feature: &Feature) -> Answer {
    let Some(event) = event(feature.name) else { return Answer::Unknown };
    let Ok(types) = std::fs::read(BTF) else { return Answer::Unknown };
    match types.split(|byte| *byte == 0).any(|name| name == event.kernel.as_bytes()) {
        true => Answer::Has,
        false => Answer::HasNot,
    }
}

fn has_constants(bytes: u64) -> Answer {
    let Ok(size) = u32::try_from(bytes) else { return Answer::HasNot };
    match sys::make_array(size) {
        Ok(_) => Answer::Has,
        Err(error) if error.raw_os_error() == Some(libc::E2BIG) => Answer::HasNot,
        Err(error) => Answer::Failed(error.to_string()),
    }
}
