//! Models as Python classes: what every class can do stands here, what they are is generated.

pub(crate) mod class;
mod copies;
mod fit;
mod shown;
mod view;

pub(crate) use class::{Extra, ModelClass, Values, frozen, make};
pub(crate) use copies::{from_dict, replaced, restored};
pub(crate) use view::View;
