//! Kernel functions in an object: the types by which libbpf finds and compares them.
//!
//! ```text
//! DATASEC .ksyms ──▶ FUNC bpf_cast_to_kern_ctx (extern) ──▶ FUNC_PROTO void *(void *obj)
//! ```

use tcpc_stdlib::kfunc::{KERNEL_CONTEXT, Kfunc, Outcome, ParameterType};

use super::btf::{Btf, TypeId};
use super::{Relocation, Target};

/// The section that libbpf looks for them in; it is in the type information only.
const SECTION: &str = ".ksyms";
/// The number of `void`.
const VOID: TypeId = 0;

/// The kernel functions that relocations name, each once.
pub fn called(relocations: &[Relocation]) -> Vec<&'static Kfunc> {
    let mut called: Vec<&'static Kfunc> = Vec::new();
    for relocation in relocations {
        if let Target::Kfunc(kfunc) = relocation.target
            && !called.contains(&kfunc)
        {
            called.push(kfunc);
        }
    }
    called
}

/// Writes their types.
pub fn describe(kfuncs: &[&'static Kfunc], btf: &mut Btf) {
    if kfuncs.is_empty() {
        return;
    }
    let functions: Vec<TypeId> = kfuncs.iter().map(|kfunc| function(kfunc, btf)).collect();
    btf.extern_section(SECTION, &functions);
}

fn function(kfunc: &Kfunc, btf: &mut Btf) -> TypeId {
    let returns = match kfunc.outcome {
        Outcome::KernelContext => btf.pointer(VOID),
        Outcome::Errno => btf.int("int", 4, true),
    };
    let parameters: Vec<(&str, TypeId)> = kfunc
        .parameters
        .iter()
        .map(|parameter| (parameter.name, parameter_type(parameter.ty, btf)))
        .collect();
    btf.extern_function(kfunc.name, returns, &parameters)
}

/// The kernel's context is an empty struct: names of structs are compared, members are not.
fn parameter_type(ty: ParameterType, btf: &mut Btf) -> TypeId {
    match ty {
        ParameterType::Context => btf.pointer(VOID),
        ParameterType::KernelContext => {
            let context = btf.structure(KERNEL_CONTEXT, 0, &[]);
            btf.pointer(context)
        }
        ParameterType::Number => btf.int("unsigned long long", 8, false),
    }
}
