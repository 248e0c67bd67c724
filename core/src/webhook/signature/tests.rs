use proptest::prelude::*;

use super::*;

const NOW: u64 = 1_800_000_000;
const BODY: &[u8] = br#"{"event":"task_complete"}"#;

fn secret(text: &str) -> Secret {
    Secret::from_text("secrets", text).unwrap().unwrap()
}

fn window(age: f64) -> Window {
    Window::new(Window::DEFAULT_TOLERANCE, NOW as f64 + age).unwrap()
}

fn signed(body: &[u8], secret: &Secret, scheme: Scheme) -> Headers {
    sign(body, secret, scheme, stamp()).into_iter().collect()
}

fn stamp() -> Stamp<'static> {
    Stamp::new("msg_1", NOW as f64).unwrap()
}

fn reason(result: Result<(), Refused>) -> Option<Reason> {
    result.err().map(|refused| refused.reason)
}

const SCHEMES: [Scheme; 3] = [Scheme::Loki, Scheme::Standard, Scheme::GitHub];

#[test]
fn the_example_of_rfc_4231_and_that_of_github_are_right() {
    let key = Secret::from_bytes(b"Jefe").unwrap();
    let headers = sign(b"what do ya want for nothing?", &key, Scheme::Loki, stamp());
    let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(headers, [("X-Loki-Signature", expected.to_owned())]);

    let key = secret("It's a Secret to Everybody");
    let headers = sign(b"Hello, World!", &key, Scheme::GitHub, stamp());
    let expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert_eq!(headers, [("X-Hub-Signature-256", expected.to_owned())]);
}

#[test]
fn the_example_of_standard_webhooks_is_right() {
    let key = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let stamp = Stamp::new("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330.9).unwrap();
    let headers = sign(br#"{"test": 2432232314}"#, &key, Scheme::Standard, stamp);
    assert_eq!(headers[2].1, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn the_first_header_that_is_there_decides() {
    let key = secret("a");
    let mut headers = signed(BODY, &key, Scheme::Standard);
    headers.add("X-Loki-Signature", "nonsense");
    assert_eq!(verify(BODY, &headers, std::slice::from_ref(&key), window(0.0)), Ok(()));
    let mut headers = signed(BODY, &key, Scheme::Loki);
    headers.add("webhook-signature", "nonsense");
    assert_eq!(reason(verify(BODY, &headers, &[key], window(0.0))), Some(Reason::MalformedHeaders));
}

#[test]
fn a_header_with_nothing_in_it_hides_no_other() {
    let key = secret("a");
    for scheme in [Scheme::Loki, Scheme::GitHub] {
        let mut headers = Headers::from_iter([("webhook-signature", ""), ("X-Loki-Signature", " ")]);
        assert_eq!(
            reason(verify(BODY, &headers, std::slice::from_ref(&key), window(0.0))),
            Some(Reason::MissingSignature)
        );
        for (name, value) in sign(BODY, &key, scheme, stamp()) {
            headers.add(name, &value);
        }
        assert_eq!(verify(BODY, &headers, std::slice::from_ref(&key), window(0.0)), Ok(()));
    }
}

#[test]
fn what_no_header_carries_is_not_signed() {
    for id in ["", " ", "a b", "a\r\nb", "a\n", "\u{0}", "ä", "a\u{7f}"] {
        assert!(matches!(Stamp::new(id, 0.0), Err(Error::Config(_))), "{id:?}");
    }
    for timestamp in [-1.0, -0.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e16] {
        assert!(matches!(Stamp::new("a", timestamp), Err(Error::Config(_))), "{timestamp}");
    }
    assert_eq!(Stamp::new("a", 7.9).unwrap(), Stamp::new("a", 7.0).unwrap());
}

#[test]
fn only_a_right_signature_is_told_about_its_time() {
    let key = secret("a");
    let headers = signed(BODY, &key, Scheme::Standard);
    for (age, expected) in
        [(300.0, None), (300.1, Some(Reason::TooOld)), (-300.0, None), (-300.1, Some(Reason::TooNew))]
    {
        assert_eq!(
            reason(verify(BODY, &headers, std::slice::from_ref(&key), window(age))),
            expected,
            "{age}"
        );
    }
    assert_eq!(
        reason(verify(b"x", &headers, std::slice::from_ref(&key), window(1e6))),
        Some(Reason::BadSignature)
    );
    let whenever = Window::new(f64::INFINITY, 0.0).unwrap();
    assert_eq!(verify(BODY, &headers, &[key], whenever), Ok(()));
}

#[test]
fn a_window_that_makes_no_sense_is_refused() {
    for (tolerance, now) in [(-1.0, 0.0), (f64::NAN, 0.0), (1.0, f64::NAN), (1.0, f64::INFINITY), (1.0, -1.0)]
    {
        assert!(matches!(Window::new(tolerance, now), Err(Error::Config(_))), "{tolerance} {now}");
    }
}

#[test]
fn messages_hold_neither_secrets_nor_signatures() {
    let canary = secret("canary");
    let other = secret("other");
    for scheme in SCHEMES {
        let headers = signed(BODY, &other, scheme);
        let refused = verify(BODY, &headers, std::slice::from_ref(&canary), window(0.0)).unwrap_err();
        let expected: Vec<String> = sign(BODY, &canary, scheme, stamp()).into_iter().map(|h| h.1).collect();
        let told = format!("{refused} {refused:?}");
        assert!(!told.contains("canary") && !expected.iter().any(|value| told.contains(value)), "{told}");
    }
}

/// Every character of the header, changed into every other one.
#[test]
fn any_changed_character_of_the_signature_is_noticed() {
    let key = secret("a");
    for scheme in SCHEMES {
        let headers = sign(BODY, &key, scheme, stamp());
        let signature = &headers.last().unwrap().1;
        let digits = signature.strip_prefix("sha256=").unwrap_or(signature);
        for (place, before) in signature.bytes().enumerate() {
            for after in (0..128_u8).filter(|after| *after != before) {
                let mut changed = signature.clone().into_bytes();
                changed[place] = after;
                let changed = String::from_utf8(changed).unwrap();
                // It stays the same signature in two ways: a digit may be in the other case, and the digits may stand by
                // themselves, here after something else in a list.
                let listed = scheme == Scheme::GitHub && changed.split([',', ' ']).any(|one| one == digits);
                let same = scheme != Scheme::Standard && before.eq_ignore_ascii_case(&after);
                let mut headers = headers.clone();
                headers.last_mut().unwrap().1.clone_from(&changed);
                let verified =
                    verify(BODY, &headers.into_iter().collect(), std::slice::from_ref(&key), window(0.0));
                let in_other_case = same && signature.len() - digits.len() <= place;
                assert_eq!(verified.is_ok(), listed || in_other_case, "{changed:?}");
            }
        }
    }
}

fn scheme() -> impl Strategy<Value = Scheme> {
    prop_oneof![Just(Scheme::Loki), Just(Scheme::Standard), Just(Scheme::GitHub)]
}

/// Any text that is no empty secret and no malformed one.
fn key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 1..80)
}

proptest! {
    #[test]
    fn what_is_signed_is_accepted_with_any_of_the_secrets(
        body in proptest::collection::vec(any::<u8>(), 0..300),
        keys in proptest::collection::vec(key(), 1..4),
        which in any::<prop::sample::Index>(),
        scheme in scheme(),
    ) {
        let secrets: Vec<Secret> = keys.iter().map(|key| Secret::from_bytes(key).unwrap()).collect();
        let headers = signed(&body, which.get(&secrets), scheme);
        prop_assert_eq!(verify(&body, &headers, &secrets, window(0.0)), Ok(()));
    }

    #[test]
    fn any_flipped_bit_of_the_body_is_noticed(
        mut body in proptest::collection::vec(any::<u8>(), 1..300),
        key in key(),
        place in any::<prop::sample::Index>(),
        bit in 0..8_u32,
        scheme in scheme(),
    ) {
        let secret = Secret::from_bytes(&key).unwrap();
        let headers = signed(&body, &secret, scheme);
        let place = place.index(body.len());
        body[place] ^= 1 << bit;
        prop_assert_eq!(reason(verify(&body, &headers, &[secret], window(0.0))), Some(Reason::BadSignature));
    }

    /// Of an id that is one: a header with nothing but blanks in it counts as left out.
    #[test]
    fn another_id_or_time_is_noticed(key in key(), id in "[!-~][ -~]{0,19}", timestamp in 0..u64::MAX) {
        prop_assume!((id.as_str(), timestamp) != ("msg_1", NOW));
        let secret = Secret::from_bytes(&key).unwrap();
        let signature = sign(BODY, &secret, Scheme::Standard, stamp())[2].1.clone();
        let pairs = [("webhook-id", id), ("webhook-timestamp", timestamp.to_string()), ("webhook-signature", signature)];
        let whenever = Window::new(f64::INFINITY, 0.0).unwrap();
        let result = verify(BODY, &Headers::from_iter(pairs), &[secret], whenever);
        prop_assert_eq!(reason(result), Some(Reason::BadSignature));
    }

    #[test]
    fn any_text_in_the_headers_is_judged_without_a_panic(
        values in proptest::collection::vec("\\PC{0,90}", 5),
        text in "[0-9a-fv1,= ]{0,140}",
    ) {
        let names = ["webhook-id", "webhook-timestamp", "webhook-signature", "x-loki-signature", "x-hub-signature-256"];
        let headers: Headers = names.into_iter().zip(&values).collect();
        prop_assert!(verify(BODY, &headers, &[secret("a")], window(0.0)).is_err());
        let headers = Headers::from_iter([("x-loki-signature", text)]);
        prop_assert!(verify(BODY, &headers, &[secret("a")], window(0.0)).is_err());
    }
}
