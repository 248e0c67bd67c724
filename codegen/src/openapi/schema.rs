//! JSON Schemas of parameters, models and answers.

use loki_mode_spec::{Field, FieldType, Model, Need, Param, ParamType, Presence};
use serde::Serialize;
use serde_json::Value;

use crate::ordered::Ordered;

/// A JSON Schema: the keywords that this API needs.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Schema {
    #[serde(rename = "$ref", skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<Type>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'static str>,
    /// Known values of an open enumeration: examples, since others are possible.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    examples: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Box<Schema>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    properties: Option<Ordered<Schema>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    required: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_properties: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    one_of: Vec<Schema>,
}

/// One type or several.
#[derive(Serialize, Clone)]
#[serde(untagged)]
enum Type {
    One(&'static str),
    Several(Vec<&'static str>),
}

impl Schema {
    fn new(types: &[&'static str]) -> Self {
        let ty = match types {
            [] => None,
            [one] => Some(Type::One(one)),
            several => Some(Type::Several(several.to_vec())),
        };
        Schema { r#type: ty, ..Schema::default() }
    }

    /// A string.
    pub(super) fn text() -> Self {
        Schema::new(&["string"])
    }

    /// An object of which nothing more is known.
    pub(super) fn free_form() -> Self {
        Schema { additional_properties: Some(true), ..Schema::new(&["object"]) }
    }

    pub(super) fn reference(model: &str) -> Self {
        Schema { reference: Some(format!("#/components/schemas/{model}")), ..Schema::default() }
    }

    fn array(items: Schema) -> Self {
        Schema { items: Some(Box::new(items)), ..Schema::new(&["array"]) }
    }

    /// Null is allowed, too.
    fn nullable(mut self) -> Self {
        self.r#type = match self.r#type {
            Some(Type::One(one)) => Some(Type::Several(vec![one, "null"])),
            Some(Type::Several(mut several)) => {
                several.push("null");
                Some(Type::Several(several))
            }
            None => None,
        };
        if self.reference.is_some() {
            return Schema { one_of: vec![self, Schema::new(&["null"])], ..Schema::default() };
        }
        self
    }

    fn described(mut self, description: &str, known: &[&'static str]) -> Self {
        self.description = Some(description.to_owned());
        self.examples = known.iter().map(|value| Value::from(*value)).collect();
        self
    }

    /// For a place that has a description of its own.
    pub(super) fn without_description(mut self) -> Self {
        self.description = None;
        self
    }

    pub(super) fn of_param(param: &Param) -> Self {
        let mut schema = match param.ty {
            ParamType::Id => Schema::new(&["integer", "string"]),
            ParamType::Str | ParamType::Timestamp => Schema::new(&["string"]),
            ParamType::Int => Schema::new(&["integer"]),
            ParamType::Bool => Schema::new(&["boolean"]),
            ParamType::StrList => Schema::array(Schema::new(&["string"])),
            ParamType::Object => Schema::free_form(),
        }
        .described(param.doc, param.known);
        schema.default = match param.need {
            Need::Required | Need::Optional => None,
            Need::DefaultStr(value) => Some(value.into()),
            Need::DefaultInt(value) => Some(value.into()),
        };
        schema
    }

    /// The object of the parameters that travel in the body.
    pub(super) fn of_body(params: &[&Param]) -> Self {
        Schema {
            properties: Some(
                params.iter().map(|param| (param.wire.to_owned(), Schema::of_param(param))).collect(),
            ),
            required: params
                .iter()
                .filter(|param| param.need == Need::Required)
                .map(|param| param.wire)
                .collect(),
            ..Schema::new(&["object"])
        }
    }

    pub(super) fn of_model(model: &Model) -> Self {
        let always = |field: &&Field| field.presence == Presence::Required;
        Schema {
            description: Some(model.doc.to_owned()),
            properties: Some(
                model.fields.iter().map(|field| (field.wire.to_owned(), Schema::of_field(field))).collect(),
            ),
            required: model.fields.iter().filter(always).map(|field| field.wire).collect(),
            additional_properties: Some(true),
            ..Schema::new(&["object"])
        }
    }

    fn of_field(field: &Field) -> Self {
        let schema = match field.ty {
            FieldType::Id | FieldType::Label => Schema::new(&["integer", "string"]),
            FieldType::Str => Schema::new(&["string"]),
            FieldType::Int => Schema::new(&["integer"]),
            FieldType::Float => Schema::new(&["number"]),
            FieldType::Bool => Schema::new(&["boolean"]),
            FieldType::StrList => Schema::array(Schema::new(&["string"])),
            FieldType::Object => Schema::free_form(),
            FieldType::Json => Schema::default(),
            // No `format`: real servers leave the time zone out, which `date-time` does not allow.
            FieldType::Timestamp => Schema::new(&["string"]),
            FieldType::Model(model) => Schema::reference(model.name),
            FieldType::List(model) => Schema::array(Schema::reference(model.name)),
        };
        let schema = if field.presence == Presence::Required { schema } else { schema.nullable() };
        let mut schema = schema.described(field.doc, field.known);
        schema.format = field.secret.then_some("password");
        schema
    }

    /// A bare array, or an object that holds it under one of the keys.
    pub(super) fn of_list(model: &Model, keys: &'static [&'static str]) -> Self {
        let list = || Schema::array(Schema::reference(model.name));
        let envelope = |key: &&'static str| Schema {
            properties: Some([((*key).to_owned(), list())].into_iter().collect()),
            required: vec![*key],
            additional_properties: Some(true),
            ..Schema::new(&["object"])
        };
        Schema {
            one_of: std::iter::once(list()).chain(keys.iter().map(envelope)).collect(),
            ..Schema::default()
        }
    }

    /// The body of a refusal, in the shapes that real servers use.
    pub(super) fn of_error() -> Self {
        let item = Schema {
            properties: Some(
                [
                    (
                        "loc".to_owned(),
                        Schema::array(Schema::new(&["string", "integer"]))
                            .described("Where: `body`, `query` or `path`, then names and indexes.", &[]),
                    ),
                    ("msg".to_owned(), Schema::new(&["string"]).described("What is wrong there.", &[])),
                    ("type".to_owned(), Schema::new(&["string"]).described("The kind of mistake.", &[])),
                ]
                .into_iter()
                .collect(),
            ),
            additional_properties: Some(true),
            ..Schema::new(&["object"])
        };
        let detail =
            Schema { one_of: vec![Schema::new(&["string"]), Schema::array(item)], ..Schema::default() };
        Schema {
            description: Some("Why a request was refused.".to_owned()),
            properties: Some(
                [
                    (
                        "detail".to_owned(),
                        detail.described("What is wrong, or a list of what is wrong where.", &[]),
                    ),
                    (
                        "error".to_owned(),
                        Schema::new(&["string"]).described("What is wrong, where `detail` is missing.", &[]),
                    ),
                    (
                        "code".to_owned(),
                        Schema::new(&["string"]).described("The kind of refusal, beside `error`.", &[]),
                    ),
                    (
                        "path".to_owned(),
                        Schema::new(&["string"]).described("The path that is no route.", &[]),
                    ),
                ]
                .into_iter()
                .collect(),
            ),
            additional_properties: Some(true),
            ..Schema::new(&["object"])
        }
    }
}
