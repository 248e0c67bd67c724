//! The methods that go through long lists.

use loki_mode_spec::{Need, Operation, Paging, Param, TypeScriptArguments};

use super::interfaces::{TypeDeclaration, input};
use super::methods::Method;
use super::parameters::{keywords, options_name, param_doc, param_type};
use super::text::{comment, fitted};
use crate::names::camel_case;
use crate::sentences::endpoint;

/// The parameters that say what is listed, and not which page of it.
fn filters(operation: &'static Operation, paging: Paging) -> impl Iterator<Item = &'static Param> {
    operation.params.iter().filter(move |param| is_filter(paging, param))
}

fn is_filter(paging: Paging, param: &Param) -> bool {
    param.name != paging.limit && param.name != paging.offset
}

/// What the signature of the method names beside `PageOptions` and `Pager`.
pub(super) fn names(operation: &'static Operation) -> impl Iterator<Item = String> {
    let items = operation.paging.and(operation.paged_items()).map(|(items, _)| items.name.to_owned());
    [items, options_interface(operation)].into_iter().flatten()
}

/// The interface of the last argument, where plain `PageOptions` will not do.
pub(super) fn options_interface(operation: &'static Operation) -> Option<String> {
    let paging = operation.paging?;
    let own = operation.typescript_arguments == TypeScriptArguments::Positional
        && filters(operation, paging).any(|param| !param.positional);
    own.then(|| options_name(paging.method))
}

pub(super) fn options(operation: &'static Operation) -> Option<TypeDeclaration> {
    let (paging, name) = (operation.paging?, options_interface(operation)?);
    let members = keywords(operation).filter(|param| is_filter(paging, param));
    Some(TypeDeclaration {
        doc: comment(0, &[format!("Options of `{}`.", camel_case(paging.method))]),
        open: format!("export interface {name} extends PageOptions {{"),
        close: "}",
        members: members.map(|param| input(operation, param, &camel_case(param.name))).collect(),
    })
}

/// The method of the client.
pub(super) fn method(operation: &'static Operation) -> Option<Method> {
    let paging = operation.paging?;
    let values: Vec<String> = operation
        .params
        .iter()
        .map(|param| match operation.typescript_arguments {
            _ if !is_filter(paging, param) => "undefined".to_owned(),
            TypeScriptArguments::Object(_) => format!("params?.{}", param.wire),
            TypeScriptArguments::Positional if param.positional => camel_case(param.name),
            TypeScriptArguments::Positional => format!("options?.{}", camel_case(param.name)),
        })
        .collect();
    let mut call = vec![
        "this.#engine".to_owned(),
        format!("operations.{}", operation.name.to_uppercase()),
        fitted(6, "[", "", &values, "]"),
        "options".to_owned(),
    ];
    if let TypeScriptArguments::Object(_) = operation.typescript_arguments {
        call.push("params".to_owned());
    }
    with_body(operation, fitted(4, "return openPages(", "", &call, ");"))
}

/// A method that hands everything on to a client.
pub(super) fn delegating(operation: &'static Operation, client: &str) -> Option<Method> {
    let paging = operation.paging?;
    let mut arguments: Vec<String> = match operation.typescript_arguments {
        TypeScriptArguments::Object(_) => vec!["params".to_owned()],
        TypeScriptArguments::Positional => filters(operation, paging)
            .filter(|param| param.positional)
            .map(|param| camel_case(param.name))
            .collect(),
    };
    arguments.push("options".to_owned());
    let head = format!("return {client}.{}(", camel_case(paging.method));
    with_body(operation, fitted(4, &head, "", &arguments, ");"))
}

fn with_body(operation: &'static Operation, body: String) -> Option<Method> {
    let (paging, (items, _)) = (operation.paging?, operation.paged_items()?);
    let interface = options_interface(operation).unwrap_or_else(|| "PageOptions".to_owned());
    let mut parameters: Vec<String> = match operation.typescript_arguments {
        TypeScriptArguments::Object(object) => {
            vec![format!("params?: Omit<{object}, '{}' | '{}'>", paging.limit, paging.offset)]
        }
        TypeScriptArguments::Positional => filters(operation, paging)
            .filter(|param| param.positional)
            .map(|param| {
                let mark = if param.need == Need::Required { "" } else { "?" };
                format!("{}{mark}: {}", camel_case(param.name), param_type(param))
            })
            .collect(),
    };
    parameters.push(format!("options?: {interface}"));
    let tail = format!("): Pager<{}> {{", items.name);
    Some(Method {
        doc: doc(operation, paging, items.name),
        signature: fitted(2, &format!("{}(", camel_case(paging.method)), "", &parameters, &tail),
        body,
    })
}

fn doc(operation: &'static Operation, paging: Paging, items: &str) -> String {
    let mut paragraphs = vec![
        format!(
            "Gives everything that `{}` lists, one item after the other. A page is asked for when its first item is wanted; each \
             item comes once, whatever is added or removed meanwhile.",
            camel_case(operation.name)
        ),
        String::new(),
    ];
    paragraphs.push(endpoint(operation));
    paragraphs.push(String::new());
    if let TypeScriptArguments::Object(_) = operation.typescript_arguments {
        paragraphs.push("@param params - What to list; every one of them can be left out.".to_owned());
    } else {
        for param in filters(operation, paging).filter(|param| param.positional) {
            paragraphs.push(format!("@param {} - {}", camel_case(param.name), param_doc(operation, param)));
        }
    }
    let own =
        if options_interface(operation).is_some() { "Further parameters, `maxItems`" } else { "`maxItems`" };
    paragraphs.push(format!(
        "@param options - {own}, `pageSize` (1 to {}), `signal`, and `timeout`, `maxRetries`, `headers` of each page.",
        paging.largest
    ));
    paragraphs.push(format!(
        "@returns A {{@link Pager}} of `{items}`, for `for await`; its `pages()` gives arrays of them."
    ));
    paragraphs.push("@throws {@link ConfigError} if an option is no good.".to_owned());
    paragraphs.push("@throws TypeError if an argument is of the wrong type.".to_owned());
    comment(2, &paragraphs)
}

/// What the table of operations says about it.
pub(super) fn entry(operation: &'static Operation) -> String {
    operation.paging.map_or_else(String::new, |paging| {
        let Paging { limit, offset, .. } = paging;
        let wire = |name: &str| {
            let param = operation.params.iter().find(|param| param.name == name);
            param.map_or(name.to_owned(), |param| match operation.typescript_arguments {
                TypeScriptArguments::Object(_) => param.wire.to_owned(),
                TypeScriptArguments::Positional => camel_case(param.name),
            })
        };
        format!(
            "\n  pages: {{ method: '{}', limit: '{}', offset: '{}' }},",
            camel_case(paging.method),
            wire(limit),
            wire(offset)
        )
    })
}
