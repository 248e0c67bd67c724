//! What the environment says about the options. Only who asks for it gets it: a client that is made with options reads
//! none of it.

use std::fmt;
use std::io::Read;
use std::time::Duration;

use crate::config::{Options, PathStyle, timeout_from_seconds};
use crate::error::{Error, ErrorInfo};
use crate::headers::MAX_BYTES;
use crate::request::BaseUrl;
use crate::token::Token;
use crate::transport;

const BASE_URL: &str = "LOKI_BASE_URL";
const TOKEN: &str = "LOKI_API_TOKEN";
const TOKEN_FILE: &str = "LOKI_API_TOKEN_FILE";
const TIMEOUT: &str = "LOKI_TIMEOUT";
const MAX_RETRIES: &str = "LOKI_MAX_RETRIES";
const PATH_STYLE: &str = "LOKI_PATH_STYLE";
const CA_FILE: &str = "LOKI_CA_FILE";

/// The options that the environment sets; what it does not set is `None`. Its `Debug` does not show the token.
#[derive(Clone, Default)]
pub struct Settings {
    /// `LOKI_BASE_URL`
    pub base_url: Option<String>,
    /// `LOKI_API_TOKEN`, or what is in the file that `LOKI_API_TOKEN_FILE` names
    pub token: Option<String>,
    /// `LOKI_TIMEOUT`, in seconds
    pub timeout: Option<Duration>,
    /// `LOKI_MAX_RETRIES`
    pub max_retries: Option<u32>,
    /// `LOKI_PATH_STYLE`
    pub path_style: Option<PathStyle>,
    /// `LOKI_CA_FILE`
    pub ca_file: Option<String>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("base_url", &self.base_url)
            .field("token", &self.token.as_ref().map(|_| "***"))
            .field("timeout", &self.timeout)
            .field("max_retries", &self.max_retries)
            .field("path_style", &self.path_style)
            .field("ca_file", &self.ca_file)
            .finish()
    }
}

impl Settings {
    /// The variables that are read.
    pub const VARIABLES: [&'static str; 7] =
        [BASE_URL, TOKEN, TOKEN_FILE, TIMEOUT, MAX_RETRIES, PATH_STYLE, CA_FILE];

    /// Reads the variables, through `variable`, of the options that are not in `given` (by their names here: these are
    /// set otherwise, and what the environment says about them does not matter). An empty variable counts as not set.
    ///
    /// # Errors
    /// [`Error::Config`] naming the variable whose value is no good, and the file if it is one; both variables if
    /// `LOKI_API_TOKEN` and `LOKI_API_TOKEN_FILE` are set. No message shows the token.
    pub fn read(variable: &dyn Fn(&str) -> Option<String>, given: &[&str]) -> Result<Self, Error> {
        let read = |option: &str, name: &str| {
            if given.contains(&option) { None } else { variable(name).filter(|value| !value.is_empty()) }
        };
        let base_url = read("base_url", BASE_URL);
        if let Some(text) = &base_url {
            BaseUrl::parse(text).map_err(|error| renamed(error, "base_url", BASE_URL))?;
        }
        let timeout = read("timeout", TIMEOUT).map(|text| {
            let seconds = text.trim().parse().map_err(|_| wrong(TIMEOUT, "a number of seconds", &text))?;
            timeout_from_seconds(TIMEOUT, seconds)
        });
        let max_retries = read("max_retries", MAX_RETRIES).map(|text| {
            text.trim().parse().map_err(|_| wrong(MAX_RETRIES, "an integer of 0 or more", &text))
        });
        let path_style = read("path_style", PATH_STYLE)
            .map(|text| text.parse().map_err(|error| renamed(error, "path_style", PATH_STYLE)));
        let ca_file = read("ca_file", CA_FILE);
        if let Some(path) = &ca_file {
            // Read here as well, since the client would not know that a variable names it.
            transport::certificates(CA_FILE, path)?;
        }
        Ok(Settings {
            base_url,
            token: token(read("token", TOKEN), read("token", TOKEN_FILE))?,
            timeout: timeout.transpose()?,
            max_retries: max_retries.transpose()?,
            path_style: path_style.transpose()?,
            ca_file,
        })
    }
}

fn token(value: Option<String>, file: Option<String>) -> Result<Option<String>, Error> {
    let (token, problem_of): (String, Box<dyn Fn(Error) -> Error>) = match (value, file) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            let problem = format!("{TOKEN} and {TOKEN_FILE} are both set: it must be one of them");
            return Err(Error::config(TOKEN_FILE, problem));
        }
        (Some(token), None) => (token, Box::new(|error| renamed(error, "token", TOKEN))),
        (None, Some(path)) => {
            let token = content(&path).map_err(|problem| {
                Error::config(TOKEN_FILE, format!("{TOKEN_FILE}: {path} cannot be read: {problem}"))
            })?;
            let subject = format!("{TOKEN_FILE}: what is in {path}");
            (token, Box::new(move |error| in_words(error, "token", TOKEN_FILE, &subject)))
        }
    };
    Token::new(token.as_str()).validate().map_err(problem_of)?;
    Ok(Some(token))
}

/// How many bytes of a token file may be something else than the token.
const PADDING: u64 = 1024;

/// The text in a file, without what editors and shells put around it.
fn content(path: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    // More than a token may have; devices and pipes have no end.
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(MAX_BYTES as u64 + 1 + PADDING).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let text = std::str::from_utf8(bytes).map_err(|_| {
        let is_utf16 = [&b"\xff\xfe"[..], b"\xfe\xff"].iter().any(|mark| bytes.starts_with(mark));
        if is_utf16 { "it is UTF-16; write it as UTF-8" } else { "it is not UTF-8 text" }
    })?;
    Ok(text.trim_matches(|letter: char| letter.is_ascii_whitespace()).to_owned())
}

fn wrong(name: &str, expected: &str, value: &str) -> Error {
    Error::config(name, format!("{name} must be {expected}, not {value:?}"))
}

/// An error about an option, told as one about the variable that it comes from.
fn renamed(error: Error, option: &str, name: &str) -> Error {
    in_words(error, option, name, name)
}

fn in_words(error: Error, option: &str, name: &str, subject: &str) -> Error {
    let info = error.info();
    // Only the subject: another option may be mentioned as what to use instead.
    let message = info.message.replacen(&format!("`{option}`"), subject, 1);
    ErrorInfo { param: Some(name.to_owned()), message, ..info }.into()
}

impl Options {
    /// The defaults, overridden by the environment variables that each option names.
    ///
    /// # Errors
    /// Those of [`Settings::read`]; [`Error::Config`] also for a variable that is no Unicode.
    pub fn from_env() -> Result<Self, Error> {
        for name in Settings::VARIABLES {
            if let Err(std::env::VarError::NotUnicode(_)) = std::env::var(name) {
                return Err(Error::config(name, format!("{name} is not valid Unicode text")));
            }
        }
        Settings::read(&|name| std::env::var(name).ok(), &[]).map(Options::from)
    }
}

impl From<Settings> for Options {
    fn from(settings: Settings) -> Self {
        let Settings { base_url, token, timeout, max_retries, path_style, ca_file } = settings;
        let defaults = Options::default();
        Options {
            base_url: base_url.unwrap_or(defaults.base_url),
            token: token.map(Token::new),
            timeout: timeout.unwrap_or(defaults.timeout),
            max_retries: max_retries.unwrap_or(defaults.max_retries),
            path_style: path_style.unwrap_or(defaults.path_style),
            ca_file,
            ..defaults
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)], given: &[&str]) -> Result<Settings, Error> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Settings::read(&variable, given)
    }

    fn problem(variables: &[(&str, &str)]) -> (String, String) {
        let error = read(variables, &[]).unwrap_err();
        assert!(matches!(error, Error::Config(_)), "{error}");
        (error.info().param.unwrap(), error.to_string())
    }

    fn file(name: &str, content: &str) -> String {
        let path = std::env::temp_dir().join(format!("loki-mode-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    #[test]
    fn every_variable_sets_its_option() {
        let settings = read(
            &[
                (BASE_URL, "https://cp.test/x"),
                (TOKEN, "loki_x"),
                (TIMEOUT, " 1.5 "),
                (MAX_RETRIES, "0"),
                (PATH_STYLE, "v2"),
            ],
            &[],
        );
        let options = Options::from(settings.unwrap());
        assert_eq!(options.base_url, "https://cp.test/x");
        assert_eq!(options.timeout, Duration::from_millis(1500));
        assert_eq!((options.max_retries, options.path_style), (0, PathStyle::V2));
        assert!(options.token.is_some());
    }

    #[test]
    fn empty_ones_are_not_set() {
        let all = Settings::VARIABLES.map(|name| (name, ""));
        let settings = read(&all, &[]).unwrap();
        assert_eq!(format!("{settings:?}"), format!("{:?}", Settings::default()));
    }

    #[test]
    fn wrong_ones_are_named() {
        for (name, value) in [
            (BASE_URL, "localhost:57374"),
            (BASE_URL, "http://user:pass@h"),
            (TOKEN, "loki x"),
            (TOKEN_FILE, "/nowhere/token"),
            (TIMEOUT, "soon"),
            (TIMEOUT, "0"),
            (TIMEOUT, "inf"),
            (TIMEOUT, "30s"),
            (MAX_RETRIES, "-1"),
            (PATH_STYLE, "v3"),
            (CA_FILE, "/nowhere/ca.pem"),
        ] {
            let (param, message) = problem(&[(name, value)]);
            assert_eq!(param, name, "{message}");
            assert!(message.contains(name), "{message}");
            assert!(!name.contains("TOKEN") || !message.contains("loki x"), "{message}");
        }
        assert!(problem(&[(CA_FILE, "/nowhere/ca.pem")]).1.contains("/nowhere/ca.pem"));
        let no_pem = file("no.pem", "no certificate");
        assert!(problem(&[(CA_FILE, &no_pem)]).1.contains("no certificate in PEM"));
        std::fs::remove_file(no_pem).unwrap();
    }

    #[test]
    fn those_of_options_that_are_given_do_not_matter() {
        let all = Settings::VARIABLES.map(|name| (name, "no \n good"));
        let given = ["base_url", "token", "timeout", "max_retries", "path_style", "ca_file"];
        assert!(read(&all, &given).is_ok());
        assert!(read(&all, &given[1..]).is_err());
    }

    #[test]
    fn a_token_may_be_in_a_file() {
        let path = file("token", "loki_x\r\n\n");
        assert_eq!(read(&[(TOKEN_FILE, &path)], &[]).unwrap().token.as_deref(), Some("loki_x"));
        let (_, message) = problem(&[(TOKEN_FILE, &path), (TOKEN, "loki_y")]);
        assert!(message.contains(TOKEN) && message.contains(TOKEN_FILE) && message.contains("both"));
        for content in ["\u{feff}loki_x\r\n", "\n  loki_x\t\n"] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(read(&[(TOKEN_FILE, &path)], &[]).unwrap().token.as_deref(), Some("loki_x"));
        }
        let endless = "canary".repeat(20_000);
        for content in ["", "\n", "\u{feff}", "canary two", "canary\ncanary", "Bearer canary", &endless] {
            std::fs::write(&path, content).unwrap();
            let (param, message) = problem(&[(TOKEN_FILE, &path)]);
            assert_eq!(param, TOKEN_FILE);
            assert!(message.contains(TOKEN_FILE) && message.contains(&path), "{message}");
            assert!(!message.contains("canary"), "{message}");
        }
        for (content, words) in
            [(&b"\xff"[..], "not UTF-8"), (b"\xff\xfel\0\n\0", "UTF-16; write it as UTF-8")]
        {
            std::fs::write(&path, content).unwrap();
            let (_, message) = problem(&[(TOKEN_FILE, &path)]);
            assert!(message.contains(&path) && message.contains(words), "{message}");
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn settings_do_not_print_the_token() {
        assert!(!format!("{:?}", read(&[(TOKEN, "canary")], &[])).contains("canary"));
    }
}
