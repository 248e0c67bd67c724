//! The typed Rust face: one method for each operation, one structure for each model.

use loki_mode_spec::{
    CHAPTERS, FieldType, Method, Model, Need, Operation, Param, ParamType, Presence, Returns, models,
};
use minijinja::{Environment, context};
use serde::Serialize;

use crate::Output;
use crate::sentences::endpoint;

/// Columns of a line of Rust; `max_width` in rustfmt.toml is the same.
const WIDTH: usize = 110;

const FOLDER: &str = "core/src/generated";

pub(crate) fn outputs() -> Vec<Output> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    let operations: Vec<_> = CHAPTERS
        .iter()
        .enumerate()
        .flat_map(|(chapter, entry)| {
            entry
                .operations
                .iter()
                .enumerate()
                .map(move |(index, operation)| method(chapter, index, operation))
        })
        .collect();
    let mut returned: Vec<_> = loki_mode_spec::operations()
        .filter_map(|operation| operation.returns.model().map(|model| model.name))
        .collect();
    let items = loki_mode_spec::operations().filter_map(Operation::paged_items);
    returned.extend(items.map(|(model, _)| model.name));
    returned.sort_unstable();
    returned.dedup();
    let structures: Vec<_> = models().map(structure).collect();
    let render = |name: &str, template: &str, values| Output {
        path: format!("{FOLDER}/{name}"),
        text: environment
            .render_str(template, values)
            .expect("the template and what it is given belong together")
            .trim_end()
            .to_owned()
            + "\n",
    };
    vec![
        render("mod.rs", include_str!("../templates/rust/mod.rs.j2"), context! {}),
        render(
            "client.rs",
            include_str!("../templates/rust/client.rs.j2"),
            context! { operations, imports => wrap(&format!("{},", returned.join(", ")), WIDTH - 4) },
        ),
        render(
            "models.rs",
            include_str!("../templates/rust/models.rs.j2"),
            context! { models => structures },
        ),
    ]
}

/// A method, as the template needs it.
#[derive(Serialize)]
struct MethodText {
    name: &'static str,
    doc: Vec<String>,
    route: Vec<String>,
    options_type: String,
    options: Vec<OptionText>,
    signature: String,
    values: Vec<String>,
    chapter: usize,
    index: usize,
    pages: Option<PagesText>,
}

/// The method that goes through the whole list.
#[derive(Serialize)]
struct PagesText {
    doc: Vec<String>,
    signature: String,
}

/// A parameter that can be left out.
#[derive(Serialize)]
struct OptionText {
    name: String,
    doc: Vec<String>,
    ty: &'static str,
}

fn method(chapter: usize, index: usize, operation: &'static Operation) -> MethodText {
    let required = |param: &&Param| param.need == Need::Required;
    let options: Vec<_> = operation
        .params
        .iter()
        .filter(|param| !required(param))
        .map(|param| OptionText {
            name: identifier(param.name),
            doc: wrap(&param_doc(param), WIDTH - "    /// ".len()),
            ty: option_type(param.ty),
        })
        .collect();
    let values = operation.params.iter().map(|param| {
        let name = identifier(param.name);
        match param.need {
            Need::Required if param.ty == ParamType::Id => format!("give::<Id>({name}.into())"),
            Need::Required => format!("give({name})"),
            Need::Optional | Need::DefaultStr(_) | Need::DefaultInt(_) => format!("maybe(&options.{name})"),
        }
    });
    MethodText {
        name: operation.name,
        doc: wrap(operation.doc, WIDTH - "    /// ".len()),
        route: wrap(&route(operation), WIDTH - "    /// ".len()),
        options_type: options_type(operation.name),
        signature: method_head(
            operation.name,
            operation,
            !options.is_empty(),
            &[],
            &return_type(&operation.returns),
        ),
        values: values.collect(),
        chapter,
        index,
        pages: pages(operation, !options.is_empty()),
        options,
    }
}

fn pages(operation: &'static Operation, has_options: bool) -> Option<PagesText> {
    let paging = operation.paging?;
    let (items, _) = operation.paged_items()?;
    let doc = format!(
        "Gives everything that [`Client::{}`] lists, item by item, asking for a page when it is wanted. The options must not set \
         `{}` and `{}`.",
        operation.name, paging.limit, paging.offset
    );
    let returned = format!("Items<{}>", items.name);
    Some(PagesText {
        doc: wrap(&doc, WIDTH - "    /// ".len()),
        signature: method_head(
            paging.method,
            operation,
            has_options,
            &["pages: PageOptions".to_owned()],
            &returned,
        ),
    })
}

fn param_doc(param: &Param) -> String {
    match param.need {
        Need::DefaultStr(text) => format!("{} Left out: `{text}`.", param.doc),
        Need::DefaultInt(number) => format!("{} Left out: {number}.", param.doc),
        Need::Required | Need::Optional => param.doc.to_owned(),
    }
}

fn route(operation: &Operation) -> String {
    let repeated = if operation.method == Method::Post { " Never sent twice." } else { "" };
    format!("{}{repeated}", endpoint(operation))
}

fn method_head(
    name: &str,
    operation: &Operation,
    has_options: bool,
    others: &[String],
    returned: &str,
) -> String {
    let mut arguments = vec!["&self".to_owned()];
    for param in operation.params.iter().filter(|param| param.need == Need::Required) {
        arguments.push(format!("{}: {}", identifier(param.name), argument_type(param.ty)));
    }
    if has_options {
        arguments.push(format!("options: &{}", options_type(operation.name)));
    }
    arguments.extend_from_slice(others);
    let line = format!("    pub fn {name}({}) -> Result<{returned}, Error> {{", arguments.join(", "));
    if line.len() <= WIDTH {
        return line;
    }
    let arguments: String = arguments.iter().map(|argument| format!("        {argument},\n")).collect();
    format!("    pub fn {name}(\n{arguments}    ) -> Result<{returned}, Error> {{")
}

fn options_type(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            first.to_ascii_uppercase() + rest
        })
        .collect()
}

const fn argument_type(ty: ParamType) -> &'static str {
    match ty {
        ParamType::Id => "impl Into<Id>",
        ParamType::Str | ParamType::Timestamp => "&str",
        ParamType::Int => "i64",
        ParamType::Bool => "bool",
        ParamType::StrList => "Vec<String>",
        ParamType::Object => "Object",
    }
}

const fn option_type(ty: ParamType) -> &'static str {
    match ty {
        ParamType::Id => "Id",
        ParamType::Str | ParamType::Timestamp => "String",
        ParamType::Int => "i64",
        ParamType::Bool => "bool",
        ParamType::StrList => "Vec<String>",
        ParamType::Object => "Object",
    }
}

fn return_type(returns: &Returns) -> String {
    match returns {
        Returns::Nothing => "()".to_owned(),
        Returns::Object => "Object".to_owned(),
        Returns::Model(model) | Returns::Record(model) => model.name.to_owned(),
        Returns::List(model, _) => format!("Vec<{}>", model.name),
    }
}

/// A structure, as the template needs it.
#[derive(Serialize)]
struct StructureText {
    name: &'static str,
    doc: Vec<String>,
    fields: Vec<FieldText>,
    /// Holds a secret, and so is printed with care.
    guarded: bool,
}

/// A field of a structure.
#[derive(Serialize)]
struct FieldText {
    /// The name without Rust's mark of a keyword.
    key: &'static str,
    /// The wire name, where serde has to be told.
    rename: Option<&'static str>,
    name: String,
    doc: Vec<String>,
    ty: String,
    optional: bool,
    shown: bool,
}

fn structure(model: &'static Model) -> StructureText {
    let fields = model.fields.iter().map(|field| FieldText {
        key: field.name,
        rename: (field.wire != field.name).then_some(field.wire),
        name: identifier(field.name),
        doc: wrap(field.doc, WIDTH - "    /// ".len()),
        ty: if field.secret { "Secret".to_owned() } else { field_type(field.ty) },
        optional: field.presence != Presence::Required,
        shown: !field.secret && !matches!(field.ty, FieldType::Object | FieldType::Json),
    });
    StructureText {
        name: model.name,
        doc: wrap(model.doc, WIDTH - "/// ".len()),
        fields: fields.collect(),
        guarded: model.fields.iter().any(|field| field.secret),
    }
}

fn field_type(ty: FieldType) -> String {
    match ty {
        FieldType::Id | FieldType::Label => "Id".to_owned(),
        FieldType::Str | FieldType::Timestamp => "String".to_owned(),
        FieldType::Int => "i64".to_owned(),
        FieldType::Float => "f64".to_owned(),
        FieldType::Bool => "bool".to_owned(),
        FieldType::StrList => "Vec<String>".to_owned(),
        FieldType::Object => "Object".to_owned(),
        FieldType::Json => "serde_json::Value".to_owned(),
        FieldType::Model(model) => model.name.to_owned(),
        FieldType::List(model) => format!("Vec<{}>", model.name),
    }
}

/// A name of the table as a Rust identifier; `type` is the only keyword that the API uses as a name.
fn identifier(name: &str) -> String {
    if name == "type" { "r#type".to_owned() } else { name.to_owned() }
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a last line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
