//! Reading the input of an operation: what the table says about its parameters, checked and reported as real servers do.

use axum::body::Bytes;
use loki_mode_spec::{Location, Need, Operation, Param, ParamType};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

use crate::answers::{Failure, Problem};
use crate::json;
use crate::profile::Profile;

/// Path parameters that are texts; every other identifier is a row number.
const TEXT_IDS: &[&str] = &["identifier", "session_id"];
/// The number that no row has: what a spelt id that means nothing stands for.
const NO_ROW: i64 = 0;
const PRIORITIES: &[&str] = &["low", "medium", "high", "critical"];

/// A checked value.
#[derive(Debug)]
enum Input {
    Int(i64),
    Text(String),
    /// JSON text of an object, exactly as sent: large integers keep all digits.
    Json(String),
    List(Vec<String>),
}

/// The checked parameters of a call, by their names in the table. Those that were not given, or are null, are absent.
#[derive(Debug, Default)]
pub(crate) struct Inputs(Vec<(&'static str, Input)>);

impl Inputs {
    fn get(&self, name: &str) -> Option<&Input> {
        self.0.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// An integer.
    pub(crate) fn int(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Some(Input::Int(value)) => Some(*value),
            _ => None,
        }
    }

    /// The row number of a required identifier.
    pub(crate) fn id(&self, name: &str) -> i64 {
        self.int(name).unwrap_or(NO_ROW)
    }

    /// A string.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Input::Text(value)) => Some(value),
            _ => None,
        }
    }

    /// A required string.
    pub(crate) fn required_text(&self, name: &str) -> &str {
        self.text(name).unwrap_or_default()
    }

    /// The JSON text of an object.
    pub(crate) fn object(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Input::Json(value)) => Some(value),
            _ => None,
        }
    }

    /// A list of strings.
    pub(crate) fn list(&self, name: &str) -> Option<&[String]> {
        match self.get(name) {
            Some(Input::List(value)) => Some(value),
            _ => None,
        }
    }
}

/// What came in.
#[derive(Debug)]
pub(crate) struct Received<'a> {
    /// The path parameters, decoded.
    pub(crate) path: &'a [(String, String)],
    /// The query string, as sent.
    pub(crate) query: &'a str,
    /// The `Content-Type`.
    pub(crate) content_type: &'a str,
    /// The body.
    pub(crate) body: &'a Bytes,
}

/// Checks everything that came in against the table.
pub(crate) fn inputs(
    profile: Profile,
    operation: &'static Operation,
    received: &Received<'_>,
) -> Result<Inputs, Failure> {
    let mut check = Check { profile, operation, inputs: Inputs::default(), problems: Vec::new() };
    let query: BTreeMap<_, _> = form_urlencoded::parse(received.query.as_bytes()).collect();
    for param in operation.params.iter().filter(|param| profile.knows(operation, param.name)) {
        match param.location {
            Location::Path => {
                let given = received.path.iter().find(|(name, _)| name == param.name);
                check.plain(param, "path", given.map(|(_, value)| value.as_str()))?;
            }
            Location::Query => check.plain(param, "query", query.get(param.wire).map(AsRef::as_ref))?,
            Location::Body => {}
        }
    }
    if operation.params.iter().any(|param| param.location == Location::Body) {
        check.body(received)?;
    }
    if check.problems.is_empty() { Ok(check.inputs) } else { Err(Failure::Invalid(check.problems)) }
}

struct Check {
    profile: Profile,
    operation: &'static Operation,
    inputs: Inputs,
    problems: Vec<Problem>,
}

/// Why a value is not what it should be; `Broken` is what real servers do not survive.
enum Wrong {
    Rule { kind: &'static str, msg: String, ctx: Option<String> },
    Item(usize, String),
    Broken(&'static str),
}

fn rule(kind: &'static str, msg: &str) -> Wrong {
    Wrong::Rule { kind, msg: msg.to_owned(), ctx: None }
}

impl Check {
    fn problem(&mut self, kind: &'static str, loc: &[&str], msg: &str, input: &str) {
        self.problems.push(Problem {
            kind,
            loc: json::strings(loc),
            msg: msg.to_owned(),
            input: input.to_owned(),
            ctx: None,
        });
    }

    fn keep(
        &mut self,
        param: &'static Param,
        place: &str,
        input: &str,
        outcome: Result<Input, Wrong>,
    ) -> Result<(), Failure> {
        let outcome = outcome.and_then(|value| self.within_rules(param, value));
        match outcome {
            Ok(value) => self.inputs.0.push((param.name, value)),
            Err(Wrong::Rule { kind, msg, ctx }) => {
                self.problem(kind, &[place, param.wire], &msg, input);
                if let Some(last) = self.problems.last_mut() {
                    last.ctx = ctx;
                }
            }
            Err(Wrong::Item(index, item)) => self.problems.push(Problem {
                kind: "string_type",
                loc: format!("[{},{},{index}]", json::string(place), json::string(param.wire)),
                msg: "Input should be a valid string".to_owned(),
                input: item,
                ctx: None,
            }),
            Err(Wrong::Broken(reason)) => return Err(Failure::Internal(format!("{}: {reason}", param.name))),
        }
        Ok(())
    }

    /// Ranges and closed sets of words.
    fn within_rules(&self, param: &Param, value: Input) -> Result<Input, Wrong> {
        match &value {
            Input::Int(number) => {
                let (least, most) = self.profile.range(self.operation, param.name);
                if param.location == Location::Body
                    && param.ty == ParamType::Id
                    && param.name == "tenant_id"
                    && *number <= 0
                {
                    return Err(Wrong::Rule {
                        kind: "greater_than",
                        msg: "Input should be greater than 0".to_owned(),
                        ctx: Some("{\"gt\":0}".to_owned()),
                    });
                }
                if let Some(least) = least.filter(|least| number < least) {
                    return Err(Wrong::Rule {
                        kind: "greater_than_equal",
                        msg: format!("Input should be greater than or equal to {least}"),
                        ctx: Some(format!("{{\"ge\":{least}}}")),
                    });
                }
                if let Some(most) = most.filter(|most| number > most) {
                    return Err(Wrong::Rule {
                        kind: "less_than_equal",
                        msg: format!("Input should be less than or equal to {most}"),
                        ctx: Some(format!("{{\"le\":{most}}}")),
                    });
                }
            }
            Input::Text(text) if param.location == Location::Body => {
                let task = self.operation.name.ends_with("_task");
                let allowed = match param.name {
                    "status" if task => self.profile.task_statuses(),
                    "priority" if task => PRIORITIES,
                    _ => return Ok(value),
                };
                if !allowed.contains(&text.as_str()) {
                    let expected = alternatives(allowed);
                    return Err(Wrong::Rule {
                        kind: "enum",
                        msg: format!("Input should be {expected}"),
                        ctx: Some(json::object(|object| object.str("expected", &expected))),
                    });
                }
            }
            Input::Text(_) | Input::Json(_) | Input::List(_) => {}
        }
        Ok(value)
    }

    /// A path or query parameter.
    fn plain(&mut self, param: &'static Param, place: &str, given: Option<&str>) -> Result<(), Failure> {
        let Some(text) = given else {
            return Ok(());
        };
        let outcome = match param.ty {
            ParamType::Id if TEXT_IDS.contains(&param.name) => Ok(Input::Text(text.to_owned())),
            ParamType::Id if self.profile.spelt_ids() => Ok(Input::Int(spelt_id(text))),
            ParamType::Id | ParamType::Int => integer(text).map(Input::Int),
            ParamType::StrList => Ok(Input::List(text.split(',').map(str::to_owned).collect())),
            _ => Ok(Input::Text(text.to_owned())),
        };
        self.keep(param, place, &json::string(text), outcome)
    }

    /// The JSON body.
    fn body(&mut self, received: &Received<'_>) -> Result<(), Failure> {
        let bytes = received.body;
        let params = || self.operation.params.iter().filter(|param| param.location == Location::Body);
        let needed =
            |param: &Param| param.need == Need::Required || self.profile.requires(self.operation, param.name);
        if bytes.is_empty() {
            if !self.profile.bodies_may_be_missing() || params().any(needed) {
                self.problem("missing", &["body"], "Field required", "null");
            }
            return Ok(());
        }
        const NO_OBJECT: &str = "Input should be a valid dictionary or object to extract fields from";
        if !is_json(received.content_type) {
            let text = json::string(&String::from_utf8_lossy(bytes));
            self.problem("model_attributes_type", &["body"], NO_OBJECT, &text);
            return Ok(());
        }
        let whole = match serde_json::from_slice::<&RawValue>(bytes) {
            Ok(whole) => whole,
            Err(error) => return self.broken(bytes, &error),
        };
        if !whole.get().starts_with('{') {
            self.problem("model_attributes_type", &["body"], NO_OBJECT, whole.get());
            return Ok(());
        }
        let fields: BTreeMap<String, &RawValue> = match serde_json::from_str(whole.get()) {
            Ok(fields) => fields,
            Err(error) => return Err(Failure::Internal(format!("field names: {error}"))),
        };
        if self.profile.refuses_unknown_fields(self.operation) {
            for name in fields.keys().filter(|name| params().all(|param| param.wire != *name)) {
                self.problem("extra_forbidden", &["body", name], "Unknown field", whole.get());
            }
        }
        let params: Vec<_> =
            params().filter(|param| self.profile.knows(self.operation, param.name)).collect();
        for param in params {
            let required = param.need == Need::Required || self.profile.requires(self.operation, param.name);
            match fields.get(param.wire).map(|raw| raw.get()) {
                None if required => {
                    self.problem("missing", &["body", param.wire], "Field required", whole.get())
                }
                None => {}
                // A role may be null on real servers although the table sends one by default.
                Some("null") if !required && (param.need == Need::Optional || param.name == "role") => {}
                Some(raw) => {
                    let outcome = self.value(param, raw);
                    self.keep(param, "body", raw, outcome)?;
                }
            }
        }
        Ok(())
    }

    fn broken(&mut self, bytes: &Bytes, error: &serde_json::Error) -> Result<(), Failure> {
        let at = position(bytes, error);
        let rest = &bytes[at.saturating_sub(1).min(bytes.len())..];
        let rest = rest.strip_prefix(b"-").unwrap_or(rest);
        if rest.starts_with(b"NaN") || rest.starts_with(b"Infinity") {
            // Real servers read these and fail later on.
            return Err(Failure::Internal("a number that is none".to_owned()));
        }
        let reason = if error.is_eof() {
            "Expecting value"
        } else {
            "Expecting property name enclosed in double quotes"
        };
        self.problems.push(Problem {
            kind: "json_invalid",
            loc: format!("[\"body\",{at}]"),
            msg: "JSON decode error".to_owned(),
            input: "{}".to_owned(),
            ctx: Some(json::object(|object| object.str("error", reason))),
        });
        Ok(())
    }

    fn value(&self, param: &Param, raw: &str) -> Result<Input, Wrong> {
        match param.ty {
            ParamType::Str | ParamType::Timestamp => text(raw).map(Input::Text),
            ParamType::Id if self.profile.spelt_ids() && raw.starts_with('"') => {
                Ok(Input::Int(spelt_id(&text(raw)?)))
            }
            ParamType::Id | ParamType::Int => json_integer(raw).map(Input::Int),
            ParamType::Bool => match raw {
                "true" => Ok(Input::Int(1)),
                "false" => Ok(Input::Int(0)),
                _ => Err(rule("bool_type", "Input should be a valid boolean")),
            },
            ParamType::Object if raw.starts_with('{') => Ok(Input::Json(raw.to_owned())),
            ParamType::Object => Err(rule("dict_type", "Input should be a valid dictionary")),
            ParamType::StrList => {
                let items: Vec<&RawValue> = serde_json::from_str(raw)
                    .map_err(|_| rule("list_type", "Input should be a valid list"))?;
                let texts = items.iter().enumerate().map(|(index, item)| {
                    text(item.get()).map_err(|_| Wrong::Item(index, item.get().to_owned()))
                });
                texts.collect::<Result<_, _>>().map(Input::List)
            }
        }
    }
}

/// Whether a media type is JSON: `application/json` or `application/<anything>+json`.
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence
        .strip_prefix("application/")
        .is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
}

/// The offset of a JSON error in the body.
fn position(bytes: &[u8], error: &serde_json::Error) -> usize {
    let line_start: usize = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .take(error.line().saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    line_start + error.column()
}

fn text(raw: &str) -> Result<String, Wrong> {
    if !raw.starts_with('"') {
        return Err(rule("string_type", "Input should be a valid string"));
    }
    // What is JSON but not a string of characters holds half a surrogate pair.
    serde_json::from_str(raw).map_err(|_| Wrong::Broken("a lone surrogate"))
}

const TOO_LARGE: Wrong = Wrong::Broken("an integer beyond 64 bits");

/// An integer written as text: spaces around it and a fraction of zeros are accepted.
fn integer(text: &str) -> Result<i64, Wrong> {
    let trimmed = text.trim();
    let whole = match trimmed.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0') => whole,
        _ => trimmed,
    };
    let digits = whole.strip_prefix(['-', '+']).unwrap_or(whole);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(rule(
            "int_parsing",
            "Input should be a valid integer, unable to parse string as an integer",
        ));
    }
    whole.parse().map_err(|_| TOO_LARGE)
}

fn json_integer(raw: &str) -> Result<i64, Wrong> {
    match raw.as_bytes().first() {
        Some(b'"') => integer(&text(raw)?),
        Some(b't') => Ok(1),
        Some(b'f') => Ok(0),
        Some(b'-' | b'0'..=b'9') if raw.contains(['.', 'e', 'E']) => match raw.parse::<f64>() {
            Ok(number) if number.fract() != 0.0 => Err(rule(
                "int_from_float",
                "Input should be a valid integer, got a number with a fractional part",
            )),
            // Exact: every integral f64 below 2^63 in size is an i64.
            Ok(number) if number.abs() < 9_223_372_036_854_775_808.0 => Ok(number as i64),
            _ => Err(TOO_LARGE),
        },
        Some(b'-' | b'0'..=b'9') => raw.parse().map_err(|_| TOO_LARGE),
        _ => Err(rule("int_type", "Input should be a valid integer")),
    }
}

/// The row number in `7` or `proj-7`; no row's, if there is none in it.
fn spelt_id(text: &str) -> i64 {
    let number = match text.split_once('-') {
        Some((word, number)) if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            number
        }
        _ => text,
    };
    if number.bytes().all(|byte| byte.is_ascii_digit()) { number.parse().unwrap_or(NO_ROW) } else { NO_ROW }
}

/// `'a', 'b' or 'c'`
fn alternatives(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}
