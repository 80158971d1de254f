//! JSON documents: members and elements change, go, come twice, or become something else.

use serde_json::{Value, json};

use super::border;
use crate::random::Random;

/// One change. What is no document becomes a small one.
pub fn change(random: &mut Random, text: &[u8]) -> Vec<u8> {
    let mut document = serde_json::from_slice(text).unwrap_or_else(|_| json!({ "format": 1 }));
    let count = count(&document);
    let mut at = random.index(count);
    if let Some(value) = nth(&mut document, &mut at) {
        change_value(random, value);
    }
    document.to_string().into_bytes()
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(elements) => elements.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum(),
        _ => 0,
    }
}

/// The value that so many others stand before.
fn nth<'v>(value: &'v mut Value, at: &mut usize) -> Option<&'v mut Value> {
    if *at == 0 {
        return Some(value);
    }
    *at -= 1;
    match value {
        Value::Array(elements) => elements.iter_mut().find_map(|element| nth(element, at)),
        Value::Object(members) => members.values_mut().find_map(|member| nth(member, at)),
        _ => None,
    }
}

fn change_value(random: &mut Random, value: &mut Value) {
    if random.one_in(8) {
        *value = any(random);
        return;
    }
    match value {
        Value::Array(elements) => match random.below(3) {
            0 => drop(elements.pop()),
            1 => elements.extend(elements.first().cloned()),
            _ => elements.push(any(random)),
        },
        Value::Object(members) => {
            let names: Vec<String> = members.keys().cloned().collect();
            if let Some(name) = names.get(random.index(names.len())) {
                let member = members.remove(name);
                if random.one_in(3) {
                    members.insert(format!("{name}x"), member.unwrap_or_default());
                }
            }
        }
        Value::String(text) => match random.below(5) {
            0 => text.clear(),
            1 => text.push_str("é`\u{0}../"),
            2 if text.len() < 200 => *text = text.repeat(20),
            3 => text.insert_str(0, "../../"),
            _ => drop(text.pop()),
        },
        Value::Number(_) => *value = json!(border(random)),
        Value::Bool(bool) => *bool = !*bool,
        Value::Null => *value = any(random),
    }
}

fn any(random: &mut Random) -> Value {
    match random.below(9) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(border(random)),
        3 => json!(-1),
        4 => json!(1e300),
        5 => json!(""),
        6 => json!([]),
        7 => json!({}),
        _ => json!([[[[{ "name": ["x"] }]]]]),
    }
}
