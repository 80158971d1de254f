//! What an object and a pinned record say of a policy, in JSON, and what the commands make of it.

use tcpc_compiler::object;
use tcpc_loader::record::Record;

use super::features::Features;
use super::mutate::elf;
use super::object::{attach, with_samples};

pub fn seeds() -> Vec<Vec<u8>> {
    let manifests = with_samples(|samples| {
        let texts = samples.iter().filter_map(|sample| elf::description(&sample.object).map(<[u8]>::to_vec));
        texts.collect::<Vec<_>>()
    });
    let records = manifests.iter().map(|manifest| {
        let head = br#"{"format":1,"name":"web","cgroup":"/web","attached_at":1,"symbols":[{"name":"n","section":".bss","offset":8,"size":8}],"manifest":"#;
        [head.as_slice(), manifest, b"}"].concat()
    });
    let records: Vec<_> = records.collect();
    [manifests, records].concat()
}

pub fn run(input: &[u8], features: &mut Features) {
    match Record::parse(input) {
        Ok(record) => features.amount("symbols", record.symbols.len()),
        Err(error) => features.said("record", &error),
    }
    with_samples(|samples| {
        let Some(described) = samples.first().and_then(|sample| elf::with_description(&sample.object, input))
        else {
            return;
        };
        if let Err(error) = object::read(&described) {
            features.said("object", &error.to_string());
        }
        attach(&described, features);
    });
}
