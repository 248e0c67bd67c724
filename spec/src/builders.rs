//! Const builders, so that an entry of the table reads as what it says and nothing else.

use crate::known::Known;
use crate::operation::{
    Bridge, Field, FieldType, Location, Manager, Method, Need, Operation, Paging, Param, ParamType, Presence,
    Returns, TypeScriptArguments,
};

impl Operation {
    const fn new(method: Method, name: &'static str, path: &'static str, returns: Returns) -> Self {
        Operation {
            name,
            doc: "",
            method,
            path,
            v2_path: None,
            params: &[],
            returns,
            idempotent: !matches!(method, Method::Post),
            bridges: &[],
            success: if matches!(returns, Returns::Nothing) { 204 } else { 200 },
            view_of: None,
            manager: None,
            loki_method: None,
            typescript_arguments: TypeScriptArguments::Positional,
            paging: None,
        }
    }

    /// An operation that reads.
    pub const fn get(name: &'static str, path: &'static str, returns: Returns) -> Self {
        Self::new(Method::Get, name, path, returns)
    }

    /// An operation that creates or acts; not idempotent.
    pub const fn post(name: &'static str, path: &'static str, returns: Returns) -> Self {
        Self::new(Method::Post, name, path, returns)
    }

    /// An operation that replaces fields.
    pub const fn put(name: &'static str, path: &'static str, returns: Returns) -> Self {
        Self::new(Method::Put, name, path, returns)
    }

    /// An operation that removes.
    pub const fn delete(name: &'static str, path: &'static str, returns: Returns) -> Self {
        Self::new(Method::Delete, name, path, returns)
    }

    /// Says what it does.
    pub const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }

    /// Names the path of deployed servers.
    pub const fn v2(mut self, path: &'static str) -> Self {
        self.v2_path = Some(path);
        self
    }

    /// Lists the parameters.
    pub const fn params(mut self, params: &'static [Param]) -> Self {
        self.params = params;
        self
    }

    /// Lists what has to be mended on real servers.
    pub const fn bridges(mut self, bridges: &'static [Bridge]) -> Self {
        self.bridges = bridges;
        self
    }

    /// Names the status of a success where it is not 200, or 204 for an operation that returns nothing.
    pub const fn answers(mut self, status: u16) -> Self {
        self.success = status;
        self
    }

    /// Makes it another view of an operation with the same method and path.
    pub const fn view_of(mut self, operation: &'static str) -> Self {
        self.view_of = Some(operation);
        self
    }

    /// Offers the operation on `LokiClient` too, under this name.
    pub const fn loki(mut self, method: &'static str) -> Self {
        self.loki_method = Some(method);
        self
    }

    /// Offers the operation on a helper class too.
    pub const fn on(mut self, manager: Manager) -> Self {
        self.manager = Some(manager);
        self
    }

    /// Has all of the list given page by page by a method of this name; `largest` is the longest page that servers give.
    pub const fn paged(mut self, method: &'static str, largest: i64) -> Self {
        self.paging = Some(Paging { method, limit: "limit", offset: "offset", largest });
        self
    }

    /// Takes the parameters as one object in TypeScript.
    pub const fn typescript_object(mut self, interface: &'static str) -> Self {
        self.typescript_arguments = TypeScriptArguments::Object(interface);
        self
    }
}

impl Param {
    const fn new(
        location: Location,
        name: &'static str,
        ty: ParamType,
        need: Need,
        positional: bool,
        doc: &'static str,
    ) -> Self {
        Param { name, wire: name, doc, location, ty, need, positional, known: Known::NONE, replaced_by: None }
    }

    /// A required `{segment}` of the path, taken by position.
    pub const fn path(name: &'static str, doc: &'static str) -> Self {
        Self::new(Location::Path, name, ParamType::Id, Need::Required, true, doc)
    }

    /// An optional query parameter, taken by position.
    pub const fn query(name: &'static str, ty: ParamType, doc: &'static str) -> Self {
        Self::new(Location::Query, name, ty, Need::Optional, true, doc)
    }

    /// A required body field, taken by position.
    pub const fn body(name: &'static str, ty: ParamType, doc: &'static str) -> Self {
        Self::new(Location::Body, name, ty, Need::Required, true, doc)
    }

    /// Is called this on the wire.
    pub const fn wire(mut self, name: &'static str) -> Self {
        self.wire = name;
        self
    }

    /// Can be left out.
    pub const fn optional(mut self) -> Self {
        self.need = Need::Optional;
        self
    }

    /// Left out, this string is sent.
    pub const fn default_str(mut self, value: &'static str) -> Self {
        self.need = Need::DefaultStr(value);
        self
    }

    /// Left out, this integer is sent.
    pub const fn default_int(mut self, value: i64) -> Self {
        self.need = Need::DefaultInt(value);
        self
    }

    /// Taken by keyword (Python) or in the options object (TypeScript), not by position.
    pub const fn keyword(mut self) -> Self {
        self.positional = false;
        self
    }

    /// Lists known values of an open enumeration.
    pub const fn known(mut self, values: &'static Known) -> Self {
        self.known = values;
        self
    }

    /// Names the parameter that is sent instead of this one's default when it is given.
    pub const fn replaced_by(mut self, other: &'static str) -> Self {
        self.replaced_by = Some(other);
        self
    }
}

impl Field {
    const fn new(name: &'static str, ty: FieldType, presence: Presence, doc: &'static str) -> Self {
        Field { name, wire: name, doc, ty, presence, secret: false, known: Known::NONE }
    }

    /// A field without which an answer cannot be used.
    pub const fn required(name: &'static str, ty: FieldType, doc: &'static str) -> Self {
        Self::new(name, ty, Presence::Required, doc)
    }

    /// A field that is documented as always there.
    pub const fn expected(name: &'static str, ty: FieldType, doc: &'static str) -> Self {
        Self::new(name, ty, Presence::Expected, doc)
    }

    /// A field that may be missing or null.
    pub const fn optional(name: &'static str, ty: FieldType, doc: &'static str) -> Self {
        Self::new(name, ty, Presence::Optional, doc)
    }

    /// Is called this on the wire.
    pub const fn wire(mut self, name: &'static str) -> Self {
        self.wire = name;
        self
    }

    /// Never shown when the object is printed.
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Lists known values of an open enumeration.
    pub const fn known(mut self, values: &'static Known) -> Self {
        self.known = values;
        self
    }
}
