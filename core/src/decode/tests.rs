//! What the walk accepts, refuses and hands to a builder.

use std::vec::Drain;

use loki_mode_spec::{Model, Returns, operation};

use super::{Builder, DecodeFailure, Excerpt, Refusal, Validate, decode, payload};

/// Writes down what it is told to build, as JSON text.
struct Transcript;

type Text = Result<String, Refusal>;

fn join(entries: impl IntoIterator<Item = String>) -> String {
    entries.into_iter().collect::<Vec<_>>().join(",")
}

impl Builder for Transcript {
    type Value = String;
    type List = Vec<String>;
    type Object = Vec<(String, String)>;

    fn null(&mut self) -> Text {
        Ok("null".into())
    }
    fn bool(&mut self, value: bool) -> Text {
        Ok(value.to_string())
    }
    fn int(&mut self, value: i64) -> Text {
        Ok(value.to_string())
    }
    fn uint(&mut self, value: u64) -> Text {
        Ok(value.to_string())
    }
    fn number(&mut self, digits: &str) -> Text {
        Ok(digits.into())
    }
    fn float(&mut self, value: f64) -> Text {
        Ok(format!("{value:?}"))
    }
    fn str(&mut self, value: &str) -> Text {
        if value == "refuse me" { Err(Refusal("refused".into())) } else { Ok(format!("{value:?}")) }
    }
    fn start_list(&mut self) -> Result<Vec<String>, Refusal> {
        Ok(Vec::new())
    }
    fn push(&mut self, list: &mut Vec<String>, value: String) -> Result<(), Refusal> {
        list.push(value);
        Ok(())
    }
    fn end_list(&mut self, list: Vec<String>) -> Text {
        Ok(format!("[{}]", join(list)))
    }
    fn start_object(&mut self) -> Result<Self::Object, Refusal> {
        Ok(Vec::new())
    }
    fn insert(&mut self, object: &mut Self::Object, key: &str, value: String) -> Result<(), Refusal> {
        object.push((key.into(), value));
        Ok(())
    }
    fn end_object(&mut self, object: Self::Object) -> Text {
        Ok(format!("{{{}}}", join(object.iter().map(|(key, value)| format!("{key}:{value}")))))
    }
    fn model(
        &mut self,
        model: &'static Model,
        fields: Drain<'_, Option<String>>,
        unknown: Option<Self::Object>,
    ) -> Text {
        let fields = fields.zip(model.fields).filter_map(|(value, field)| Some((value?, field.name)));
        let fields = fields.map(|(value, name)| format!("{name}:{value}"));
        let unknown = unknown.into_iter().flatten().map(|(key, value)| format!("+{key}:{value}"));
        Ok(format!("{}({})", model.name, join(fields.chain(unknown))))
    }
    fn record(&mut self, model: &'static Model, fields: Self::Object) -> Text {
        self.end_object(fields).map(|text| format!("{}{text}", model.name))
    }
}

fn returns(name: &str) -> &'static Returns {
    &operation(name).expect("an operation of the table").returns
}

fn read(name: &str, body: &str) -> Result<String, DecodeFailure> {
    decode(returns(name), body.as_bytes(), &mut Transcript)
}

#[track_caller]
fn refused(name: &str, body: &str, path: &str, problem: &str) {
    let failure = read(name, body).expect_err("it must not be accepted");
    assert_eq!((failure.path.as_str(), failure.problem.as_str()), (path, problem));
    assert!(decode(returns(name), body.as_bytes(), &mut Validate).is_err());
    assert!(payload(returns(name), body.as_bytes()).is_err());
}

#[test]
fn a_model_keeps_ids_as_sent_and_unknown_fields() {
    let body = r#"{"id":"p-1","prd_path":null,"name":"alpha","color":{"r":[1,null]},"task_count":3}"#;
    assert_eq!(
        read("get_project", body).unwrap(),
        r#"Project(id:"p-1",name:"alpha",prd_path:null,task_count:3,+color:{r:[1,null]})"#
    );
    assert_eq!(read("get_project", r#"{"id":7}"#).unwrap(), "Project(id:7)");
}

#[test]
fn a_key_that_comes_twice_keeps_its_last_value() {
    assert_eq!(read("get_project", r#"{"id":1,"id":2}"#).unwrap(), "Project(id:2)");
}

#[test]
fn lists_come_bare_or_in_an_envelope() {
    let list = r#"[{"id":1,"run_id":1,"phase":"REASON"}]"#;
    let expected = r#"[RunEvent(id:1,run_id:1,phase:"REASON")]"#;
    for body in [
        list.to_owned(),
        format!("\u{feff} {list}\n"),
        format!(r#"{{"run_id":1,"events":{list},"duration_seconds":null}}"#),
        format!(r#"{{"items":{list}}}"#),
        format!(r#"{{"data":[{{"x":1}}],"events":{list}}}"#),
        format!(r#"{{"events":{list},"data":[1]}}"#),
        format!(r#"{{"results":3,"data":{list}}}"#),
    ] {
        assert_eq!(read("get_run_timeline", &body).unwrap(), expected, "{body}");
        assert_eq!(payload(returns("get_run_timeline"), body.as_bytes()).unwrap(), list, "{body}");
    }
}

#[test]
fn numbers_keep_their_form() {
    let body = r#"{"a":1.0,"b":-0,"c":123456789012345678901234567890,"d":18446744073709551615,
        "e":[1e2,-9223372036854775809],"f":0.1}"#;
    let expected = "{a:1.0,b:0,c:123456789012345678901234567890,d:18446744073709551615,\
        e:[100.0,-9223372036854775809],f:0.1}";
    assert_eq!(read("get_status", body).unwrap(), expected);
    assert_eq!(
        read("list_projects", r#"[{"id":123456789012345678901234567890,"task_count":2.0}]"#).unwrap(),
        "[Project(id:123456789012345678901234567890,task_count:2.0)]"
    );
}

#[test]
fn numbers_beyond_what_a_float_holds() {
    let digits = "9".repeat(400);
    assert_eq!(
        read("get_project", &format!(r#"{{"id":{digits}}}"#)).unwrap(),
        format!("Project(id:{digits})")
    );
    refused("get_status", r#"{"a":1e400}"#, "a", "number out of range");
}

#[test]
fn a_big_number_does_not_hide_a_later_mistake() {
    refused(
        "list_projects",
        r#"[{"id":123456789012345678901234567890},{"id":[1]}]"#,
        "[1].id",
        "expected an integer or a string, found a list",
    );
}

#[test]
fn a_mistake_is_named_by_its_path() {
    refused(
        "list_projects",
        r#"[{"id":1},{"id":2,"name":5}]"#,
        "[1].name",
        "expected a string, found a number",
    );
    refused("get_project", r#"{"name":"x"}"#, "id", "required field is missing");
    refused("get_project", r#"{"id":null}"#, "id", "expected an integer or a string, found null");
    refused(
        "get_project",
        r#"{"id":1.5}"#,
        "id",
        "expected an integer or a string, found a number with a fraction",
    );
    refused("get_project", "[]", "", "expected an object, found a list");
    refused(
        "verify_audit",
        r#"{"valid":1,"entries_checked":1}"#,
        "valid",
        "expected true or false, found a number",
    );
    refused(
        "get_run_timeline",
        r#"{"run_id":1,"events":[{"id":1,"details":"x"}]}"#,
        "events[0].details",
        "expected an object, found a string",
    );
    refused(
        "get_run",
        r#"{"id":1,"events":[{"id":true}]}"#,
        "events[0].id",
        "expected an integer or a string, found true or false",
    );
    refused(
        "list_api_keys",
        r#"[{"id":"k","scopes":["a",1]}]"#,
        "[0].scopes[1]",
        "expected a string, found a number",
    );
    refused("list_api_keys", "[null]", "[0]", "expected an object, found null");
}

#[test]
fn what_is_not_json_is_refused() {
    refused("get_project", "", "", "the body is empty");
    refused("get_project", "<html>", "", "expected value");
    refused("get_project", r#"{"id":1} x"#, "", "trailing characters");
    refused("get_project", r#"{"id":1,"name":"al"#, "name", "EOF while parsing a string");
    refused("get_status", r#"{"a":{"b":[NaN]}}"#, "a.b[0]", "expected value");
    refused(
        "list_runs",
        r#"{"total":0}"#,
        "",
        "expected a list, or an object that holds one as `runs`, `items`, `data`, `results`",
    );
    let failure = decode(returns("get_status"), b"{\"a\":\"\xff\"}", &mut Transcript).unwrap_err();
    assert_eq!(failure.problem, "the body is not UTF-8 (byte 6)");
}

#[test]
fn deep_nesting_is_refused_and_not_a_crash() {
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    assert!(read("get_status", &deep).is_err());
    let after_a_big_number = format!(r#"{{"n":1{},{}"#, "0".repeat(40), &deep[1..]);
    assert!(read("get_status", &after_a_big_number).is_err());
}

#[test]
fn the_excerpt_shows_the_place_but_no_secret() {
    let body = format!(r#"[{{"id":1,"name":"{}"}},{{"id":2,"name":5}}]"#, "ä".repeat(200));
    let failure = read("list_projects", &body).unwrap_err();
    let Excerpt::Shown(excerpt) = failure.excerpt else { panic!("{failure}") };
    assert!(excerpt.contains(r#""id":2,"name":5"#), "{excerpt}");
    assert!(excerpt.chars().count() < 90);
    let failure = read("create_api_key", r#"{"token":"loki_secret","id":5}"#).unwrap_err();
    let problem = "at id: expected a string, found a number (not shown: it may hold a secret)";
    assert_eq!(failure.to_string(), problem);
    let failure = read("create_api_key", "").unwrap_err();
    assert_eq!(failure.to_string(), "the body is empty");
}

#[test]
fn a_record_keeps_the_order_of_the_wire() {
    let body = r#"{"new_key":{"hash":"h"},"token":"t","extra":1}"#;
    assert_eq!(
        read("rotate_api_key", body).unwrap(),
        r#"RotatedApiKey{new_key:{hash:"h"},token:"t",extra:1}"#
    );
    refused("rotate_api_key", r#"{"new_key":{}}"#, "token", "required field is missing");
}

#[test]
fn nothing_is_null_whatever_the_body() {
    assert_eq!(read("delete_tenant", "").unwrap(), "null");
    assert_eq!(payload(returns("delete_tenant"), b"<html>").unwrap(), "null");
}

#[test]
fn a_builder_that_refuses_ends_the_walk() {
    let failure = read("list_projects", r#"[{"id":1,"name":"refuse me"}]"#).unwrap_err();
    assert_eq!((failure.path.as_str(), failure.problem.as_str()), ("[0].name", "refused"));
}

#[test]
fn the_payload_is_the_body_itself() {
    let body = br#" {"id":1,"big":123456789012345678901234567890} "#;
    assert_eq!(payload(returns("get_run"), body).unwrap(), std::str::from_utf8(body).unwrap().trim());
}
