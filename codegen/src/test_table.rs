//! The operations as the runners of the shared cases need them, in JSON.

use loki_mode_spec::{
    Location, Manager, Need, Operation, Param, ParamType, Returns, TypeScriptArguments, operations,
};
use serde::Serialize;

use crate::Output;
use crate::names::camel_case;
use crate::ordered::Ordered;

const PATH: &str = "tests/cases/generated/operations.json";

/// What a runner has to know of an operation in order to call it by the names of the table.
#[derive(Serialize)]
struct Entry {
    method: &'static str,
    path: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    v2_path: Option<&'static str>,
    /// Names of the parameters that are taken by position, in order.
    positional: Vec<&'static str>,
    /// Names of the others.
    keyword: Vec<&'static str>,
    params: Vec<ParamEntry>,
    returns: ReturnsEntry,
    #[serde(skip_serializing_if = "Option::is_none")]
    manager: Option<&'static str>,
    typescript: TypeScriptEntry,
}

#[derive(Serialize)]
struct ParamEntry {
    name: &'static str,
    wire: &'static str,
    typescript_name: String,
    r#in: &'static str,
    r#type: &'static str,
    required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<serde_json::Value>,
}

#[derive(Serialize)]
struct ReturnsEntry {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'static str>,
}

#[derive(Serialize)]
struct TypeScriptEntry {
    method: String,
    /// `positional`: one argument after the other, the keyword parameters in an options object behind them;
    /// `object`: every parameter in one object, by its wire name.
    arguments: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<&'static str>,
}

#[derive(Serialize)]
struct Table {
    operations: Ordered<Entry>,
}

pub(crate) fn outputs() -> Vec<Output> {
    let table = Table {
        operations: operations().map(|operation| (operation.name.to_owned(), entry(operation))).collect(),
    };
    vec![Output { path: PATH.to_owned(), text: crate::ordered::document("$comment", &table) }]
}

fn entry(operation: &Operation) -> Entry {
    let names = |positional: bool| {
        operation
            .params
            .iter()
            .filter(|param| param.positional == positional)
            .map(|param| param.name)
            .collect()
    };
    let (arguments, interface) = match operation.typescript_arguments {
        TypeScriptArguments::Positional => ("positional", None),
        TypeScriptArguments::Object(interface) => ("object", Some(interface)),
    };
    Entry {
        method: operation.method.as_str(),
        path: operation.path,
        v2_path: operation.v2_path,
        positional: names(true),
        keyword: names(false),
        params: operation.params.iter().map(param_entry).collect(),
        returns: returns_entry(&operation.returns),
        manager: operation.manager.map(Manager::class_name),
        typescript: TypeScriptEntry { method: camel_case(operation.name), arguments, interface },
    }
}

fn param_entry(param: &Param) -> ParamEntry {
    ParamEntry {
        name: param.name,
        wire: param.wire,
        typescript_name: camel_case(param.name),
        r#in: match param.location {
            Location::Path => "path",
            Location::Query => "query",
            Location::Body => "body",
        },
        r#type: match param.ty {
            ParamType::Id => "id",
            ParamType::Str => "string",
            ParamType::Timestamp => "timestamp",
            ParamType::Int => "integer",
            ParamType::Bool => "boolean",
            ParamType::StrList => "string list",
            ParamType::Object => "object",
        },
        required: param.need == Need::Required,
        default: match param.need {
            Need::Required | Need::Optional => None,
            Need::DefaultStr(value) => Some(value.into()),
            Need::DefaultInt(value) => Some(value.into()),
        },
    }
}

fn returns_entry(returns: &Returns) -> ReturnsEntry {
    let (kind, model) = match returns {
        Returns::Nothing => ("nothing", None),
        Returns::Object => ("object", None),
        Returns::Model(model) => ("model", Some(model.name)),
        Returns::Record(model) => ("record", Some(model.name)),
        Returns::List(model, _) => ("list", Some(model.name)),
    };
    ReturnsEntry { kind, model }
}
