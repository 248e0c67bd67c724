//! The methods that go through long lists.

use loki_mode_spec::{Operation, Paging, Param, operations};
use serde::Serialize;

use super::{endpoint, parameter, params_known, tuple, wrap, wrapped_hanging};
use crate::sentences::with_known;

/// A method that goes through a list.
#[derive(Serialize)]
pub(super) struct PagedOperation {
    /// The name of the operation.
    name: &'static str,
    /// The name of the method.
    method: &'static str,
    doc: String,
    positional: Vec<String>,
    keyword: Vec<String>,
    /// The names of those, for a class that hands them on to the client.
    positional_names: Vec<&'static str>,
    keyword_names: Vec<&'static str>,
    /// The tuple of arguments for the native module.
    arguments: String,
    /// The model of the items.
    pub(super) items: &'static str,
    /// The enumerations that the parameters name.
    #[serde(skip)]
    pub(super) known: Vec<&'static str>,
}

/// The operations whose lists are given whole, in the words of either client.
pub(super) fn all(aio: bool) -> Vec<PagedOperation> {
    operations().filter_map(|operation| paged(operation, aio)).collect()
}

/// The same, of one operation.
pub(super) fn paged(operation: &'static Operation, aio: bool) -> Option<PagedOperation> {
    let (paging, (items, _)) = (operation.paging?, operation.paged_items()?);
    let is_filter = |param: &Param| param.name != paging.limit && param.name != paging.offset;
    let (positional, keyword): (Vec<_>, Vec<_>) =
        operation.params.iter().filter(|param| is_filter(param)).partition(|param| param.positional);
    let arguments = operation.params.iter().map(|param| if is_filter(param) { param.name } else { "None" });
    let names = |params: &[&'static Param]| params.iter().map(|param| param.name).collect();
    Some(PagedOperation {
        name: operation.name,
        method: paging.method,
        doc: docstring(operation, paging, items.name, aio),
        positional_names: names(&positional),
        keyword_names: names(&keyword),
        positional: positional.into_iter().map(parameter).collect(),
        keyword: keyword.into_iter().map(parameter).collect(),
        arguments: tuple(arguments, 22),
        items: items.name,
        known: params_known(operation),
    })
}

fn docstring(operation: &'static Operation, paging: Paging, items: &str, aio: bool) -> String {
    const INDENT: usize = 8;
    let pad = " ".repeat(INDENT);
    let iterator = if aio { "an asynchronous iterator" } else { "an iterator" };
    let summary = format!("Returns {iterator} of everything that `{}` lists.", operation.name);
    let explained = "A page is asked for when its first item is wanted. What is added or removed meanwhile neither repeats \
                     other items nor hides them.";
    let mut text = format!("{}\n", wrap(&summary, INDENT + 3, INDENT));
    for paragraph in [explained, &endpoint(operation)] {
        text.push_str(&format!("\n{pad}{}\n", wrap(paragraph, INDENT, INDENT)));
    }
    text.push_str(&format!("\n{pad}Args:\n"));
    let mut item = |entry: &str| {
        text.push_str(&format!("{pad}    {}\n", wrapped_hanging(entry, INDENT + 4)));
    };
    for param in
        operation.params.iter().filter(|param| param.name != paging.limit && param.name != paging.offset)
    {
        item(&format!("{}: {}", param.name, with_known(param.doc, param.known)));
    }
    item("max_items: How many items are given at the most. Default: all.");
    item(&format!(
        "page_size: How many items are asked for at a time: 1 to {}. Default: {}.",
        paging.largest,
        paging.largest.min(1000)
    ));
    item("timeout: Seconds that the call for a page may take. Default: the client's.");
    item("max_retries: How often a failed attempt at a page is repeated. Default: the client's.");
    item("headers: Headers to send with each request, beside the client's.");
    let class = if aio { "AsyncPager" } else { "Pager" };
    text.push_str(&format!("\n{pad}Returns:\n"));
    let returned = format!("A `{class}` of `{items}`; its `pages()` gives lists of them.");
    text.push_str(&format!("{pad}    {}\n", wrapped_hanging(&returned, INDENT + 4)));
    text.push_str(&format!("\n{pad}Raises:\n"));
    for error in ["ConfigError: An argument cannot be sent.", "TypeError: An argument has the wrong type."] {
        text.push_str(&format!("{pad}    {}\n", wrapped_hanging(error, INDENT + 4)));
    }
    text.push_str(&pad);
    text
}
