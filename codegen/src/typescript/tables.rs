//! The table by which arguments are checked and answers are read.

use loki_mode_spec::{Need, Operation, ParamType, Returns, TypeScriptArguments};

use super::paging;
use crate::names::camel_case;

/// The constant by which the arguments of an operation are checked and its answer is read.
pub(super) fn operation_table(operation: &'static Operation) -> String {
    let entries: Vec<String> = operation
        .params
        .iter()
        .map(|param| {
            let name = match operation.typescript_arguments {
                TypeScriptArguments::Object(_) => param.wire.to_owned(),
                TypeScriptArguments::Positional => camel_case(param.name),
            };
            let required = if param.need == Need::Required { ", required: true" } else { "" };
            let place = match operation.typescript_arguments {
                TypeScriptArguments::Object(_) => "params",
                TypeScriptArguments::Positional if param.positional => "argument",
                TypeScriptArguments::Positional => "options",
            };
            format!("{{ name: '{name}', type: '{}', place: '{place}'{required} }}", check_type(param.ty))
        })
        .collect();
    // biome keeps a list of two or more objects open, and closes any other that fits.
    let params = match entries.as_slice() {
        [] => "[]".to_owned(),
        [one] => format!("[{one}]"),
        many => format!("[\n    {},\n  ]", many.join(",\n    ")),
    };
    let answer = match operation.returns {
        Returns::Nothing => "nothing",
        Returns::Record(_) => "secret",
        Returns::Object | Returns::Model(_) | Returns::List(..) => "data",
    };
    let method = camel_case(operation.name);
    let loki_method = match operation.loki_method {
        Some(name) if camel_case(name) != method => format!("\n  lokiMethod: '{}',", camel_case(name)),
        _ => String::new(),
    };
    format!(
        "export const {}: Operation = {{\n  name: '{}',\n  method: '{method}',{loki_method}\n  params: {params},\n  answer: '{answer}',{}\n}};",
        operation.name.to_uppercase(),
        operation.name,
        paging::entry(operation),
    )
}

const fn check_type(ty: ParamType) -> &'static str {
    match ty {
        ParamType::Id => "id",
        ParamType::Str => "string",
        ParamType::Timestamp => "timestamp",
        ParamType::Int => "integer",
        ParamType::Bool => "boolean",
        ParamType::StrList => "strings",
        ParamType::Object => "object",
    }
}
