//! What a language has to offer so that a walk can build its values.

use std::vec::Drain;

use loki_mode_spec::Model;

/// Makes the values that a walk finds. The walk has checked types by then, so that a builder only builds.
pub trait Builder {
    /// A finished value.
    type Value;
    /// A list that is being filled.
    type List;
    /// A free-form object that is being filled.
    type Object;

    /// Whether integers beyond 64 bits have to arrive digit for digit through [`Builder::number`].
    const EXACT_NUMBERS: bool = true;

    /// Makes null.
    fn null(&mut self) -> Result<Self::Value, Refusal>;
    /// Makes a truth value.
    fn bool(&mut self, value: bool) -> Result<Self::Value, Refusal>;
    /// Makes an integer.
    fn int(&mut self, value: i64) -> Result<Self::Value, Refusal>;
    /// Makes an integer beyond `i64`.
    fn uint(&mut self, value: u64) -> Result<Self::Value, Refusal>;
    /// Makes an integer beyond 64 bits from its decimal digits.
    fn number(&mut self, digits: &str) -> Result<Self::Value, Refusal>;
    /// Makes a number that was written with a point or an exponent.
    fn float(&mut self, value: f64) -> Result<Self::Value, Refusal>;
    /// Makes a string.
    fn str(&mut self, value: &str) -> Result<Self::Value, Refusal>;
    /// Begins a list.
    fn start_list(&mut self) -> Result<Self::List, Refusal>;
    /// Appends to a list.
    fn push(&mut self, list: &mut Self::List, value: Self::Value) -> Result<(), Refusal>;
    /// Ends a list.
    fn end_list(&mut self, list: Self::List) -> Result<Self::Value, Refusal>;
    /// Begins a free-form object.
    fn start_object(&mut self) -> Result<Self::Object, Refusal>;
    /// Sets a key of a free-form object; a key that comes twice keeps its last value.
    fn insert(&mut self, object: &mut Self::Object, key: &str, value: Self::Value) -> Result<(), Refusal>;
    /// Ends a free-form object.
    fn end_object(&mut self, object: Self::Object) -> Result<Self::Value, Refusal>;
    /// Makes a model instance from one value for each field of the table, in its order, `None` for one that is not
    /// there, and from the fields that the table does not know, in the order in which they came.
    fn model(
        &mut self,
        model: &'static Model,
        fields: Drain<'_, Option<Self::Value>>,
        unknown: Option<Self::Object>,
    ) -> Result<Self::Value, Refusal>;
    /// Makes a plain mapping of a model's fields as they came, unknown ones among them.
    fn record(&mut self, model: &'static Model, fields: Self::Object) -> Result<Self::Value, Refusal>;
}

/// A builder could not make a value, for example because its language refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(pub String);

/// A builder that builds nothing: the walk alone checks that a body is what an operation returns.
#[derive(Debug, Clone, Copy, Default)]
pub struct Validate;

impl Builder for Validate {
    type Value = ();
    type List = ();
    type Object = ();

    const EXACT_NUMBERS: bool = false;

    fn null(&mut self) -> Result<(), Refusal> {
        Ok(())
    }
    fn bool(&mut self, _: bool) -> Result<(), Refusal> {
        Ok(())
    }
    fn int(&mut self, _: i64) -> Result<(), Refusal> {
        Ok(())
    }
    fn uint(&mut self, _: u64) -> Result<(), Refusal> {
        Ok(())
    }
    fn number(&mut self, _: &str) -> Result<(), Refusal> {
        Ok(())
    }
    fn float(&mut self, _: f64) -> Result<(), Refusal> {
        Ok(())
    }
    fn str(&mut self, _: &str) -> Result<(), Refusal> {
        Ok(())
    }
    fn start_list(&mut self) -> Result<(), Refusal> {
        Ok(())
    }
    fn push(&mut self, (): &mut (), (): ()) -> Result<(), Refusal> {
        Ok(())
    }
    fn end_list(&mut self, (): ()) -> Result<(), Refusal> {
        Ok(())
    }
    fn start_object(&mut self) -> Result<(), Refusal> {
        Ok(())
    }
    fn insert(&mut self, (): &mut (), _: &str, (): ()) -> Result<(), Refusal> {
        Ok(())
    }
    fn end_object(&mut self, (): ()) -> Result<(), Refusal> {
        Ok(())
    }
    fn model(&mut self, _: &'static Model, _: Drain<'_, Option<()>>, _: Option<()>) -> Result<(), Refusal> {
        Ok(())
    }
    fn record(&mut self, _: &'static Model, (): ()) -> Result<(), Refusal> {
        Ok(())
    }
}
