//! The parameters of operations: their order, their types and what is said about them.

use loki_mode_spec::{Need, Operation, Param, ParamType, TypeScriptArguments};

use super::text::{reworded, with_known};
use crate::names::camel_case;

pub(super) fn positional(operation: &'static Operation) -> impl Iterator<Item = &'static Param> {
    operation.params.iter().filter(|param| param.positional)
}

pub(super) fn keywords(operation: &'static Operation) -> impl Iterator<Item = &'static Param> {
    operation.params.iter().filter(|param| !param.positional)
}

/// The name of the interface of the last argument, unless plain `CallOptions` will do.
pub(super) fn options_interface(operation: &'static Operation) -> Option<String> {
    let own = operation.typescript_arguments == TypeScriptArguments::Positional
        && keywords(operation).next().is_some();
    own.then(|| options_name(operation.name))
}

/// The name of the interface of the options of a method.
pub(super) fn options_name(method: &str) -> String {
    let name = camel_case(method);
    format!("{}{}Options", name[..1].to_uppercase(), &name[1..])
}

pub(super) fn param_type(param: &Param) -> String {
    match param.ty {
        ParamType::Id => "number | string".to_owned(),
        ParamType::Str if !param.known.is_empty() => open(param.known),
        ParamType::Str => "string".to_owned(),
        ParamType::Timestamp => "string | Date".to_owned(),
        ParamType::Int => "number".to_owned(),
        ParamType::Bool => "boolean".to_owned(),
        ParamType::StrList => "readonly string[]".to_owned(),
        ParamType::Object => "Readonly<Record<string, unknown>>".to_owned(),
    }
}

/// The type of an open enumeration.
pub(super) fn open(known: &[&str]) -> String {
    let values: Vec<String> = known.iter().map(|value| format!("'{value}'")).collect();
    format!("Known<{}>", values.join(" | "))
}

pub(super) fn param_doc(operation: &'static Operation, param: &'static Param) -> String {
    let mut doc = with_known(&reworded(param.doc, Some(operation)), param.known);
    match param.need {
        Need::DefaultStr(value) => doc.push_str(&format!(" Default: `'{value}'`.")),
        Need::DefaultInt(value) => doc.push_str(&format!(" Default: {value}.")),
        Need::Required | Need::Optional => {}
    }
    doc
}
