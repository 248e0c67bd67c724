//! The methods of the client, of `LokiClient` and of the managers.

use loki_mode_spec::{Bridge, Manager, Need, Operation, Returns, TypeScriptArguments, operations};
use serde::Serialize;

use super::paging;
use super::parameters::{keywords, options_interface, param_doc, param_type, positional};
use super::text::{comment, fitted, reworded};
use crate::names::camel_case;
use crate::sentences::endpoint;

/// One method of the client.
#[derive(Serialize)]
pub(super) struct Method {
    pub(super) doc: String,
    pub(super) signature: String,
    pub(super) body: String,
}

impl Method {
    pub(super) fn new(operation: &'static Operation) -> Self {
        let table = format!("operations.{}", operation.name.to_uppercase());
        let options = if options_interface(operation).is_some() { "options?." } else { "" };
        let arguments: Vec<String> = operation
            .params
            .iter()
            .map(|param| match operation.typescript_arguments {
                TypeScriptArguments::Object(_) => format!("params?.{}", param.wire),
                TypeScriptArguments::Positional if param.positional => camel_case(param.name),
                TypeScriptArguments::Positional => format!("{options}{}", camel_case(param.name)),
            })
            .collect();
        let mut call = vec![table, fitted(6, "[", "", &arguments, "]"), "options".to_owned()];
        if let TypeScriptArguments::Object(_) = operation.typescript_arguments {
            call.push("params".to_owned());
        }
        Method {
            doc: method_doc(operation),
            signature: signature(operation, operation.name),
            body: fitted(4, "return this.#engine.call(", "", &call, ");"),
        }
    }

    /// A method of this name that hands everything on to a client.
    pub(super) fn delegating(operation: &'static Operation, name: &str, client: &str) -> Self {
        let mut arguments: Vec<String> = match operation.typescript_arguments {
            TypeScriptArguments::Object(_) => vec!["params".to_owned()],
            TypeScriptArguments::Positional => {
                positional(operation).map(|param| camel_case(param.name)).collect()
            }
        };
        arguments.push("options".to_owned());
        let head = format!("return {client}.{}(", camel_case(operation.name));
        Method {
            doc: method_doc(operation),
            signature: signature(operation, name),
            body: fitted(4, &head, "", &arguments, ");"),
        }
    }
}

/// The methods of `LokiClient` that are operations.
pub(super) fn loki_methods() -> Vec<Method> {
    const CLIENT: &str = "this.client";
    operations()
        .filter_map(|operation| Some((operation, operation.loki_method?)))
        .flat_map(|(of, name)| [Some(Method::delegating(of, name, CLIENT)), paging::delegating(of, CLIENT)])
        .flatten()
        .collect()
}

/// One manager class.
#[derive(Serialize)]
pub(super) struct ManagerClass {
    name: &'static str,
    noun: &'static str,
    methods: Vec<Method>,
}

impl ManagerClass {
    pub(super) fn new(manager: Manager) -> Self {
        const CLIENT: &str = "this.#client";
        let methods = operations()
            .filter(|operation| operation.manager == Some(manager))
            .flat_map(|of| [Some(Method::delegating(of, of.name, CLIENT)), paging::delegating(of, CLIENT)])
            .flatten()
            .collect();
        let noun = match manager {
            Manager::Sessions => "Sessions",
            Manager::Tasks => "Tasks",
        };
        ManagerClass { name: manager.class_name(), noun, methods }
    }
}

fn signature(operation: &'static Operation, name: &str) -> String {
    let mut parameters: Vec<String> = match operation.typescript_arguments {
        TypeScriptArguments::Object(interface) => vec![format!("params?: {interface}")],
        TypeScriptArguments::Positional => positional(operation)
            .map(|param| {
                let mark = if param.need == Need::Required { "" } else { "?" };
                format!("{}{mark}: {}", camel_case(param.name), param_type(param))
            })
            .collect(),
    };
    let needs_options = keywords(operation).any(|param| param.need == Need::Required);
    let mark = if needs_options { "" } else { "?" };
    let interface = options_interface(operation).unwrap_or_else(|| "CallOptions".to_owned());
    parameters.push(format!("options{mark}: {interface}"));
    let tail = format!("): Promise<{}> {{", returned_type(operation));
    fitted(2, &format!("{}(", camel_case(name)), "", &parameters, &tail)
}

fn method_doc(operation: &'static Operation) -> String {
    let mut paragraphs = vec![reworded(operation.doc, Some(operation)), String::new()];
    paragraphs.push(endpoint(operation));
    paragraphs.push(String::new());
    if let TypeScriptArguments::Object(_) = operation.typescript_arguments {
        paragraphs.push("@param params - The parameters; every one of them can be left out.".to_owned());
    } else {
        for param in positional(operation) {
            paragraphs.push(format!("@param {} - {}", camel_case(param.name), param_doc(operation, param)));
        }
    }
    paragraphs.push(
        match options_interface(operation) {
            Some(_) => {
                "@param options - Further parameters, and `signal`, `timeout`, `maxRetries`, `headers` of this call."
            }
            None => "@param options - `signal`, `timeout`, `maxRetries` and `headers` of this call.",
        }
        .to_owned(),
    );
    paragraphs.push(format!("@returns {}", returns_doc(operation)));
    if operation.path.contains('{') {
        paragraphs.push("@throws {@link NotFoundError} if the server does not know it.".to_owned());
    }
    if operation.bridges.iter().any(|bridge| matches!(bridge, Bridge::NotFoundOrWrongState(_))) {
        let conflict = "@throws {@link ConflictError} if it is in a state in which that cannot be done; the message names the state.";
        paragraphs.push(conflict.to_owned());
    }
    paragraphs.push(
        "@throws {@link AutonomiError} or a class derived from it if the server refuses, fails or cannot be reached."
            .to_owned(),
    );
    if !operation.params.is_empty() {
        paragraphs
            .push("@throws TypeError if an argument is of the wrong type; nothing is sent then.".to_owned());
    }
    comment(2, &paragraphs)
}

fn returns_doc(operation: &Operation) -> String {
    match operation.returns {
        Returns::Nothing => "Nothing, once the server has done it.".to_owned(),
        Returns::Object => "What the server reports.".to_owned(),
        Returns::Model(model) | Returns::Record(model) => format!("The `{}`.", model.name),
        Returns::List(model, _) => format!("A list of `{}`, empty if there is none.", model.name),
    }
}

fn returned_type(operation: &Operation) -> String {
    match operation.returns {
        Returns::Nothing => "void".to_owned(),
        Returns::Object => "Record<string, unknown>".to_owned(),
        Returns::Model(model) | Returns::Record(model) => model.name.to_owned(),
        Returns::List(model, _) => format!("{}[]", model.name),
    }
}
