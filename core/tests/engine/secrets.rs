//! The token of a client never shows, also where the server sends it back.

use crate::common::{PROJECT, Reply, Server, call, json, text};
use loki_mode_core::{Client, Options, Token};

const CANARY: &str = "loki_canary_0123456789";

fn with_token(server: &Server) -> Client {
    Client::new(Options { token: Some(Token::new(CANARY)), max_retries: 0, ..server.options() }).unwrap()
}

#[test]
fn no_error_shows_a_token_that_the_server_echoes() {
    let long = format!("{}{CANARY}", "x".repeat(190));
    let echo = |template: &str| template.replace('@', CANARY);
    for (reply, masked) in [
        (json(401, &echo(r#"{"detail":"no such token: @"}"#)), "no such token: ***"),
        (json(422, &echo(r#"{"detail":[{"loc":["header","@"],"msg":"bad @","input":"@"}]}"#)), "bad ***"),
        (json(400, &echo(r#"{"error":{"code":"@","message":"@"}}"#)), "***"),
        // A cut through the middle of it would leave a part.
        (json(500, &long), "x***"),
        (json(200, &echo(r#"{"id":1,"name":["@"]}"#)), "***"),
        (json(200, &echo("@")), "***"),
        (Reply::Send(text(200, "content-type: text/html\r\n", &echo("<html>@"))), "***"),
        (Reply::Send(text(200, "content-type: text/html\r\n", &format!("<p>{long}"))), "x***"),
        (Reply::Send(text(302, &echo("location: http://elsewhere.example/@\r\n"), "")), "***"),
    ] {
        let server = Server::script(vec![reply.clone()]);
        let outcome = call(&with_token(&server), "get_project", "[1]");
        let error = outcome.and_then(|response| response.payload().map(drop)).unwrap_err();
        let shown = format!("{error} {error:?} {:?}", error.info());
        assert!(shown.contains(masked), "{reply:?}: {shown}");
        for length in 8..=CANARY.len() {
            assert!(!shown.contains(&CANARY[..length]), "{reply:?}: {shown}");
        }
    }
}

#[test]
fn what_is_data_stays_as_it_came() {
    let project = PROJECT.replace("\"a\"", &format!("\"{CANARY}\""));
    let server = Server::script(vec![json(200, &project)]);
    let response = call(&with_token(&server), "get_project", "[1]").unwrap();
    assert_eq!(response.payload().unwrap(), project);
    assert!(!format!("{response:?}").contains(CANARY));
}

#[test]
fn nothing_that_can_be_printed_shows_it() {
    let server = Server::new(|_| json(200, PROJECT));
    let client = with_token(&server);
    let headers = vec![("x-api-key".to_owned(), CANARY.to_owned())];
    let other = Client::new(Options { headers, ..server.options() }).unwrap();
    for shown in [format!("{client:?}"), format!("{:?}", client.options()), format!("{other:?}")] {
        assert!(!shown.contains("canary"), "{shown}");
    }
}
