//! Writing JSON text field by field, in the order in which real servers send it and without an intermediate tree:
//! a list of 100,000 audit entries is written straight from the rows.

use crate::clock::{self, Form};

/// Appends a string as a JSON string.
pub(crate) fn write_str(out: &mut String, text: &str) {
    out.push('"');
    let mut start = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[start..at]);
        if escape.is_empty() {
            out.push_str(&format!("\\u{byte:04x}"));
        } else {
            out.push_str(escape);
        }
        start = at + 1;
    }
    out.push_str(&text[start..]);
    out.push('"');
}

/// A string as a JSON string.
pub(crate) fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    write_str(&mut out, text);
    out
}

/// A list of JSON texts as a JSON array.
pub(crate) fn array(items: impl IntoIterator<Item = String>) -> String {
    let mut out = String::from("[");
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(&item);
    }
    out.push(']');
    out
}

/// A list of strings as a JSON array.
pub(crate) fn strings<T: AsRef<str>>(items: &[T]) -> String {
    array(items.iter().map(|item| string(item.as_ref())))
}

/// A JSON object under construction.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    out: &'a mut String,
    empty: bool,
}

impl<'a> Object<'a> {
    /// Opens an object at the end of `out`.
    pub(crate) fn open(out: &'a mut String) -> Self {
        out.push('{');
        Object { out, empty: true }
    }

    fn key(&mut self, name: &str) {
        if !self.empty {
            self.out.push(',');
        }
        self.empty = false;
        write_str(self.out, name);
        self.out.push(':');
    }

    /// Adds a field whose value is JSON text already.
    pub(crate) fn raw(mut self, name: &str, json: &str) -> Self {
        self.key(name);
        self.out.push_str(json);
        self
    }

    /// Adds a string.
    pub(crate) fn str(mut self, name: &str, value: &str) -> Self {
        self.key(name);
        write_str(self.out, value);
        self
    }

    /// Adds an integer.
    pub(crate) fn int(self, name: &str, value: i64) -> Self {
        self.raw(name, &value.to_string())
    }

    /// Adds a boolean.
    pub(crate) fn bool(self, name: &str, value: bool) -> Self {
        self.raw(name, if value { "true" } else { "false" })
    }

    /// Adds a null.
    pub(crate) fn null(self, name: &str) -> Self {
        self.raw(name, "null")
    }

    /// Adds a point in time.
    pub(crate) fn time(mut self, name: &str, micros: i64, form: Form) -> Self {
        self.key(name);
        self.out.push('"');
        clock::write(self.out, micros, form);
        self.out.push('"');
        self
    }

    /// Adds JSON text or null.
    pub(crate) fn opt_raw(self, name: &str, json: Option<&str>) -> Self {
        self.raw(name, json.unwrap_or("null"))
    }

    /// Adds a string or null.
    pub(crate) fn opt_str(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.str(name, value),
            None => self.null(name),
        }
    }

    /// Adds an integer or null.
    pub(crate) fn opt_int(self, name: &str, value: Option<i64>) -> Self {
        match value {
            Some(value) => self.int(name, value),
            None => self.null(name),
        }
    }

    /// Adds a point in time or null.
    pub(crate) fn opt_time(self, name: &str, micros: Option<i64>, form: Form) -> Self {
        match micros {
            Some(micros) => self.time(name, micros, form),
            None => self.null(name),
        }
    }

    /// Closes the object.
    pub(crate) fn close(self) {
        self.out.push('}');
    }
}

/// A JSON object whose fields `fill` adds.
pub(crate) fn object(fill: impl FnOnce(Object<'_>) -> Object<'_>) -> String {
    let mut out = String::new();
    fill(Object::open(&mut out)).close();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_read_back_as_they_were() {
        for text in ["", "a\"b\\c", "\u{0}\u{1f}\n\r\t", "žluťoučký 🦊"] {
            assert_eq!(serde_json::from_str::<String>(&string(text)).unwrap(), text);
        }
    }
}
