//! The walk itself: what stands at a place is checked against the table and given to the builder.

use std::borrow::Cow;
use std::fmt;

use loki_mode_spec::{FieldType, Model, Presence};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::builder::{Builder, Refusal};
use super::failure::{DecodeFailure, Excerpt, excerpt, problem_of};

/// How deep JSON may be nested; the limit of `serde_json`, for the places where its own counter starts anew.
const MAX_DEPTH: usize = 128;

/// What stands at a place, as far as the walk distinguishes it.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    Id,
    Str,
    Label,
    Int,
    Float,
    Bool,
    StrList,
    Object,
    Json,
    Model(&'static Model),
    Record(&'static Model),
    List(&'static Model),
}

impl From<FieldType> for Shape {
    fn from(ty: FieldType) -> Self {
        match ty {
            FieldType::Id => Shape::Id,
            FieldType::Str | FieldType::Timestamp => Shape::Str,
            FieldType::Label => Shape::Label,
            FieldType::Int => Shape::Int,
            FieldType::Float => Shape::Float,
            FieldType::Bool => Shape::Bool,
            FieldType::StrList => Shape::StrList,
            FieldType::Object => Shape::Object,
            FieldType::Json => Shape::Json,
            FieldType::Model(model) => Shape::Model(model),
            FieldType::List(model) => Shape::List(model),
        }
    }
}

impl Shape {
    fn expected(self) -> &'static str {
        match self {
            Shape::Id => "an integer or a string",
            Shape::Str => "a string",
            Shape::Label => "a string or an integer",
            Shape::Int => "an integer",
            Shape::Float => "a number",
            Shape::Bool => "true or false",
            Shape::StrList => "a list of strings",
            Shape::Object | Shape::Model(_) | Shape::Record(_) => "an object",
            Shape::Json => "any JSON value",
            Shape::List(_) => "a list",
        }
    }

    fn takes_numbers(self) -> bool {
        matches!(self, Shape::Id | Shape::Label | Shape::Int | Shape::Float | Shape::Json)
    }

    /// Whether a number may stand somewhere below without a field of the table that says so.
    fn is_free_form(self) -> bool {
        matches!(self, Shape::Object | Shape::Json)
    }

    fn mismatch<E: serde::de::Error>(self, found: &str) -> E {
        E::custom(format_args!("expected {}, found {found}", self.expected()))
    }
}

enum Segment {
    Field(&'static str),
    Key(String),
    Index(usize),
}

pub(super) struct Walk<'b, B: Builder> {
    builder: &'b mut B,
    /// Numbers are read from their text.
    exact: bool,
    /// Set when a number would have been rounded.
    pub(super) inexact: bool,
    depth: usize,
    /// Field values of the models that are being filled, the innermost last: one buffer for the whole walk, since an
    /// allocation for each row of a long list would show.
    values: Vec<Option<B::Value>>,
    /// The way to the place of an error, innermost first, filled only while an error goes up.
    trail: Vec<Segment>,
}

impl<'b, B: Builder> Walk<'b, B> {
    pub(super) fn new(builder: &'b mut B, exact: bool) -> Self {
        Walk { builder, exact, inexact: false, depth: 0, values: Vec::new(), trail: Vec::new() }
    }

    pub(super) fn run(&mut self, shape: Shape, text: &str) -> serde_json::Result<B::Value> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let value = Seed { walk: self, shape, nullable: false }.deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(value)
    }

    pub(super) fn failure(
        &self,
        error: &serde_json::Error,
        envelope: Option<&str>,
        secrets_possible: bool,
        text: &str,
    ) -> DecodeFailure {
        let mut path = envelope.unwrap_or_default().to_owned();
        for segment in self.trail.iter().rev() {
            let name = match segment {
                Segment::Index(index) => {
                    path.push_str(&format!("[{index}]"));
                    continue;
                }
                Segment::Field(name) => name,
                Segment::Key(name) => name.as_str(),
            };
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(name);
        }
        let excerpt =
            if secrets_possible { Excerpt::Withheld } else { excerpt(text, error.line(), error.column()) };
        DecodeFailure { path, problem: problem_of(error), excerpt }
    }

    fn float<E: serde::de::Error>(&mut self, shape: Shape, value: f64) -> Result<B::Value, E> {
        if !value.is_finite() {
            return Err(E::custom("number out of range"));
        }
        let integral = value.fract() == 0.0;
        match shape {
            Shape::Float | Shape::Json => {}
            Shape::Int | Shape::Id | Shape::Label if integral => {}
            _ => return Err(shape.mismatch("a number with a fraction")),
        }
        built(self.builder.float(value))
    }

    fn number_text<E: serde::de::Error>(&mut self, shape: Shape, text: &str) -> Result<B::Value, E> {
        if !shape.takes_numbers() {
            return Err(shape.mismatch("a number"));
        }
        if text.contains(['.', 'e', 'E']) {
            let value: f64 = text.parse().map_err(E::custom)?;
            return self.float(shape, value);
        }
        built(match (text.parse::<i64>(), text.parse::<u64>()) {
            (Ok(value), _) => self.builder.int(value),
            (_, Ok(value)) => self.builder.uint(value),
            _ => self.builder.number(text),
        })
    }
}

fn built<T, E: serde::de::Error>(outcome: Result<T, Refusal>) -> Result<T, E> {
    outcome.map_err(|refusal| E::custom(refusal.0))
}

struct Seed<'w, 'b, B: Builder> {
    walk: &'w mut Walk<'b, B>,
    shape: Shape,
    nullable: bool,
}

impl<'de, B: Builder> DeserializeSeed<'de> for Seed<'_, '_, B> {
    type Value = B::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<B::Value, D::Error> {
        if !self.walk.exact || !(self.shape.takes_numbers() || self.shape.is_free_form()) {
            return deserializer.deserialize_any(self);
        }
        let text = <&RawValue as serde::Deserialize>::deserialize(deserializer)?.get();
        if text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            return self.walk.number_text(self.shape, text);
        }
        if self.walk.depth == MAX_DEPTH {
            return Err(D::Error::custom("nested too deep"));
        }
        self.walk.depth += 1;
        let Seed { walk, shape, nullable } = self;
        let value = serde_json::Deserializer::from_str(text)
            .deserialize_any(Seed { walk, shape, nullable })
            .map_err(|error| D::Error::custom(problem_of(&error)))?;
        walk.depth -= 1;
        Ok(value)
    }
}

impl<'de, B: Builder> Visitor<'de> for Seed<'_, '_, B> {
    type Value = B::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shape.expected())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<B::Value, E> {
        if !self.nullable && !matches!(self.shape, Shape::Json) {
            return Err(self.shape.mismatch("null"));
        }
        built(self.walk.builder.null())
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<B::Value, E> {
        match self.shape {
            Shape::Bool | Shape::Json => built(self.walk.builder.bool(value)),
            shape => Err(shape.mismatch("true or false")),
        }
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<B::Value, E> {
        if !self.shape.takes_numbers() {
            return Err(self.shape.mismatch("a number"));
        }
        built(self.walk.builder.int(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<B::Value, E> {
        if !self.shape.takes_numbers() {
            return Err(self.shape.mismatch("a number"));
        }
        built(match i64::try_from(value) {
            Ok(value) => self.walk.builder.int(value),
            Err(_) => self.walk.builder.uint(value),
        })
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<B::Value, E> {
        if !self.shape.takes_numbers() {
            return Err(self.shape.mismatch("a number"));
        }
        // serde_json hands over integers beyond 64 bits as floats, and `-0` too: what was written cannot be told
        // any more.
        let rounded =
            value.abs() >= 9_223_372_036_854_775_808.0 || (value == 0.0 && value.is_sign_negative());
        if rounded && B::EXACT_NUMBERS {
            self.walk.inexact = true;
            return Err(E::custom("a number beyond 64 bits"));
        }
        self.walk.float(self.shape, value)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<B::Value, E> {
        match self.shape {
            Shape::Id | Shape::Str | Shape::Label | Shape::Json => built(self.walk.builder.str(value)),
            shape => Err(shape.mismatch("a string")),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<B::Value, A::Error> {
        let Seed { walk, shape, .. } = self;
        let item = match shape {
            Shape::List(model) => Shape::Model(model),
            Shape::StrList => Shape::Str,
            Shape::Json => Shape::Json,
            _ => return Err(shape.mismatch("a list")),
        };
        let mut list = built(walk.builder.start_list())?;
        let mut index = 0;
        loop {
            match items.next_element_seed(Seed { walk, shape: item, nullable: false }) {
                Ok(Some(value)) => built(walk.builder.push(&mut list, value))?,
                Ok(None) => return built(walk.builder.end_list(list)),
                Err(error) => {
                    walk.trail.push(Segment::Index(index));
                    return Err(error);
                }
            }
            index += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<B::Value, A::Error> {
        match self.shape {
            Shape::Object | Shape::Json => free_form(self.walk, entries),
            Shape::Model(model) => model_fields(self.walk, model, entries),
            Shape::Record(model) => record_fields(self.walk, model, entries),
            shape => Err(shape.mismatch("an object")),
        }
    }
}

fn free_form<'de, B: Builder, A: MapAccess<'de>>(
    walk: &mut Walk<'_, B>,
    mut entries: A,
) -> Result<B::Value, A::Error> {
    let mut object = built(walk.builder.start_object())?;
    while let Some(key) = entries.next_key::<Cow<'de, str>>()? {
        let value = entries
            .next_value_seed(Seed { walk, shape: Shape::Json, nullable: true })
            .inspect_err(|_| walk.trail.push(Segment::Key(key.to_string())))?;
        built(walk.builder.insert(&mut object, &key, value))?;
    }
    built(walk.builder.end_object(object))
}

fn model_fields<'de, B: Builder, A: MapAccess<'de>>(
    walk: &mut Walk<'_, B>,
    model: &'static Model,
    mut entries: A,
) -> Result<B::Value, A::Error> {
    let base = walk.values.len();
    walk.values.resize_with(base + model.fields.len(), || None);
    let mut unknown = None;
    let mut next = 0;
    while let Some(key) = entries.next_key_seed(KeySeed { model, next })? {
        match key {
            Key::Field(index) => {
                let field = &model.fields[index];
                next = index + 1;
                let nullable = field.presence != Presence::Required;
                let value = entries
                    .next_value_seed(Seed { walk, shape: field.ty.into(), nullable })
                    .inspect_err(|_| walk.trail.push(Segment::Field(field.wire)))?;
                walk.values[base + index] = Some(value);
            }
            Key::Unknown(name) => {
                let value = entries
                    .next_value_seed(Seed { walk, shape: Shape::Json, nullable: true })
                    .inspect_err(|_| walk.trail.push(Segment::Key(name.to_string())))?;
                if unknown.is_none() {
                    unknown = Some(built(walk.builder.start_object())?);
                }
                if let Some(object) = &mut unknown {
                    built(walk.builder.insert(object, &name, value))?;
                }
            }
        }
    }
    for (field, value) in model.fields.iter().zip(&walk.values[base..]) {
        if value.is_none() && field.presence == Presence::Required {
            walk.trail.push(Segment::Field(field.wire));
            return Err(A::Error::custom("required field is missing"));
        }
    }
    built(walk.builder.model(model, walk.values.drain(base..), unknown))
}

fn record_fields<'de, B: Builder, A: MapAccess<'de>>(
    walk: &mut Walk<'_, B>,
    model: &'static Model,
    mut entries: A,
) -> Result<B::Value, A::Error> {
    let mut object = built(walk.builder.start_object())?;
    let mut seen = vec![false; model.fields.len()];
    while let Some(key) = entries.next_key_seed(KeySeed { model, next: 0 })? {
        let (name, shape, nullable) = match &key {
            Key::Field(index) => {
                seen[*index] = true;
                let field = &model.fields[*index];
                (field.wire, field.ty.into(), field.presence != Presence::Required)
            }
            Key::Unknown(name) => (&**name, Shape::Json, true),
        };
        let value = entries
            .next_value_seed(Seed { walk, shape, nullable })
            .inspect_err(|_| walk.trail.push(Segment::Key(name.to_owned())))?;
        built(walk.builder.insert(&mut object, name, value))?;
    }
    for (field, seen) in model.fields.iter().zip(seen) {
        if !seen && field.presence == Presence::Required {
            walk.trail.push(Segment::Field(field.wire));
            return Err(A::Error::custom("required field is missing"));
        }
    }
    built(walk.builder.record(model, object))
}

enum Key<'de> {
    Field(usize),
    Unknown(Cow<'de, str>),
}

/// Recognizes a key without an allocation.
struct KeySeed {
    model: &'static Model,
    /// Where the key is expected: servers send fields in the order of the table, more or less.
    next: usize,
}

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key<'de>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl KeySeed {
    fn field(&self, key: &str) -> Option<usize> {
        let fields = self.model.fields;
        if fields.get(self.next).is_some_and(|field| field.wire == key) {
            return Some(self.next);
        }
        fields.iter().position(|field| field.wire == key)
    }
}

impl<'de> Visitor<'de> for KeySeed {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Key<'de>, E> {
        Ok(self.field(key).map_or_else(|| Key::Unknown(Cow::Owned(key.to_owned())), Key::Field))
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, key: &'de str) -> Result<Key<'de>, E> {
        Ok(self.field(key).map_or(Key::Unknown(Cow::Borrowed(key)), Key::Field))
    }
}
