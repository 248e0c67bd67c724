//! Text as biome formats it, and as TypeScript has the names in it.

use loki_mode_spec::{Operation, TypeScriptArguments, operation, operations};

use crate::names::camel_case;

/// The line width of `biome.json`.
pub(super) const WIDTH: usize = 110;

/// `head`, the items and `tail` on one line if they fit, otherwise each item on a line of its own.
/// The first line is not indented: that is up to whoever places it.
pub(super) fn fitted(indent: usize, head: &str, padding: &str, items: &[String], tail: &str) -> String {
    let line = format!("{head}{padding}{}{padding}{tail}", items.join(", "));
    if !line.contains('\n') && indent + line.len() <= WIDTH {
        return line;
    }
    let outer = " ".repeat(indent);
    let inner: Vec<String> = items.iter().map(|item| format!("{outer}  {item},\n")).collect();
    format!("{head}\n{}{outer}{tail}", inner.concat())
}

/// A TSDoc comment of these paragraphs, wrapped; the first line is not indented.
pub(super) fn comment(indent: usize, paragraphs: &[String]) -> String {
    let outer = " ".repeat(indent);
    if let [one] = paragraphs
        && indent + one.len() + 7 <= WIDTH
    {
        return format!("/** {one} */");
    }
    let mut text = String::from("/**\n");
    for paragraph in paragraphs {
        for line in wrapped(paragraph, WIDTH - indent - 3) {
            text.push_str(format!("{outer} * {line}").trim_end());
            text.push('\n');
        }
    }
    format!("{text}{outer} */")
}

fn wrapped(paragraph: &str, width: usize) -> Vec<String> {
    let continued = if paragraph.starts_with('@') { "  " } else { "" };
    let mut lines = vec![String::new()];
    for word in paragraph.split_whitespace() {
        let line = lines.last_mut().expect("there is always a last line");
        if line.trim().is_empty() {
            line.push_str(word);
        } else if line.len() + 1 + word.len() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(format!("{continued}{word}"));
        }
    }
    lines
}

pub(super) fn with_known(doc: &str, known: &[&str]) -> String {
    if known.is_empty() {
        return doc.to_owned();
    }
    let values: Vec<String> = known.iter().map(|value| format!("`{value}`")).collect();
    format!("{doc} Known values: {}; others are possible.", values.join(", "))
}

/// The text with the names of operations, and of this operation's parameters, as TypeScript has them.
pub(super) fn reworded(doc: &str, of: Option<&'static Operation>) -> String {
    let mut text = String::with_capacity(doc.len());
    for (index, part) in doc.split('`').enumerate() {
        if index > 0 {
            text.push('`');
        }
        let name = part.split('(').next().unwrap_or(part);
        let param =
            of.and_then(|of| of.params.iter().find(|param| param.name == name).map(|param| (of, param)));
        let renamed = match param.map(|(of, param)| (of.typescript_arguments, param)) {
            _ if index % 2 == 0 => None,
            Some((TypeScriptArguments::Object(_), param)) => Some(param.wire.to_owned()),
            Some((TypeScriptArguments::Positional, _)) => Some(camel_case(name)),
            None => {
                let is_iterator =
                    operations().any(|of| of.paging.is_some_and(|paging| paging.method == name));
                (operation(name).is_some() || is_iterator).then(|| camel_case(name))
            }
        };
        if let Some(renamed) = renamed {
            text.push_str(&renamed);
            text.push_str(&part[name.len()..]);
        } else {
            text.push_str(part);
        }
    }
    text
}
