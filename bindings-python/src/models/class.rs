//! The class of a model: members, constructor, and the methods that make it behave like a frozen dataclass.

use std::sync::OnceLock;

use loki_mode_spec::{FieldType, Model};
use pyo3::exceptions::{PyAttributeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyString;
use pyo3::{PyClass, ffi};

/// Fields that the table does not know, in the order in which they came. Not a dict: one for each row of a long
/// list would cost more than the row.
pub(crate) type Extra = Vec<(Py<PyString>, Py<PyAny>)>;

/// One value for each field of the table, in its order.
pub(crate) type Values<'a, 'py> = &'a mut dyn Iterator<Item = Option<Bound<'py, PyAny>>>;

/// What the shared code has to know about a generated class.
pub(crate) trait ModelClass: PyClass + Into<PyClassInitializer<Self>> {
    /// Whether the garbage collector looks at instances, because a field can hold a container.
    const TRAVERSED: bool;

    /// What the table says about it.
    fn table() -> &'static Model;

    /// An instance with these values.
    fn from_values(py: Python<'_>, values: Values<'_, '_>, extra: Extra) -> Self;

    /// The fields that can hold a container, as a bit mask.
    fn containers() -> u64;

    /// Whether any of the values that could be containers are.
    fn holds_containers(&self, py: Python<'_>) -> bool;
}

/// Makes an instance whose values were read from JSON.
pub(crate) fn make<'py, T: ModelClass>(
    py: Python<'py>,
    values: Values<'_, 'py>,
    extra: Extra,
) -> PyResult<Bound<'py, PyAny>> {
    let instance = T::from_values(py, values, extra);
    let untrack = T::TRAVERSED && !instance.holds_containers(py);
    let instance = Bound::new(py, instance)?.into_any();
    if untrack {
        untrack_from_gc(&instance);
    }
    Ok(instance)
}

/// Takes an instance that holds nothing but numbers, strings and the like out of the collector's sight: no cycle can
/// go through it, and in a list of 100,000 the collector would otherwise walk them all, again and again.
#[expect(unsafe_code, reason = "pyo3 does not wrap this function")]
fn untrack_from_gc(instance: &Bound<'_, PyAny>) {
    // SAFETY: the object is alive, of a class with the collector's header (it has `__traverse__`), and was made a
    // moment ago by this thread, so that nobody else has seen it. The function allows untracked objects too.
    unsafe { ffi::PyObject_GC_UnTrack(instance.as_ptr().cast()) }
}

/// Whether the collector looks at objects of this one's class.
#[expect(unsafe_code, reason = "pyo3 does not wrap class flags under the stable ABI")]
pub(crate) fn is_container(value: &Bound<'_, PyAny>) -> bool {
    // SAFETY: both pointers are of live objects, and reading the flags of a class has no requirements beyond that.
    unsafe { ffi::PyType_GetFlags(ffi::Py_TYPE(value.as_ptr())) & ffi::Py_TPFLAGS_HAVE_GC != 0 }
}

/// The model of this name. The generator takes the names from the same table.
pub(crate) fn table_of(name: &str, cell: &'static OnceLock<&'static Model>) -> &'static Model {
    cell.get_or_init(|| {
        loki_mode_spec::models().find(|model| model.name == name).expect("generated from the table")
    })
}

/// Which fields can hold a container, as a bit mask.
pub(crate) fn containers_of(model: &Model) -> u64 {
    let container = |ty| match ty {
        FieldType::Object
        | FieldType::Json
        | FieldType::StrList
        | FieldType::Model(_)
        | FieldType::List(_) => true,
        FieldType::Id
        | FieldType::Str
        | FieldType::Label
        | FieldType::Int
        | FieldType::Float
        | FieldType::Bool
        | FieldType::Timestamp => false,
    };
    model.fields.iter().rev().fold(0, |mask, field| mask << 1 | u64::from(container(field.ty)))
}

/// Refuses None for a field that every instance has.
pub(crate) fn refuse_none(model: &str, field: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
    if value.is_none() {
        // A field may be called as a keyword of Rust is.
        let field = field.trim_start_matches("r#");
        return Err(PyTypeError::new_err(format!("{model}: {field} must not be None")));
    }
    Ok(())
}

/// What setting or deleting an attribute raises: by itself, Python would not say which one.
pub(crate) fn frozen(model: &Model, name: &Bound<'_, PyString>) -> PyErr {
    let name = name.to_string_lossy();
    let class = model.name;
    PyAttributeError::new_err(if model.fields.iter().any(|field| field.name == name) {
        format!(
            "{class}.{name} cannot be changed: models are frozen. `__replace__({name}=...)`, from Python 3.13 on \
             `copy.replace`, makes another {class}"
        )
    } else {
        format!("{class} has no field {name}, and models are frozen")
    })
}

/// Declares the class of a model. `[traverse]` after the name for one whose fields can hold containers.
macro_rules! model {
    (
        $(#[$meta:meta])*
        $name:ident $([$traverse:ident])? {
            required { $($(#[$required_meta:meta])* $required:ident,)* }
            optional { $($(#[$optional_meta:meta])* $optional:ident,)* }
        }
    ) => {
        $(#[$meta])*
        #[pyo3::pyclass(frozen, weakref, module = "loki_mode_sdk")]
        pub(crate) struct $name {
            $($(#[$required_meta])* #[pyo3(get)] $required: pyo3::Py<pyo3::PyAny>,)*
            $($(#[$optional_meta])* #[pyo3(get)] $optional: pyo3::Py<pyo3::PyAny>,)*
            /// Which fields were there, as a bit mask: null and missing look the same from Python, and not in a dict.
            present: u64,
            extra: $crate::models::Extra,
        }

        impl $crate::models::ModelClass for $name {
            const TRAVERSED: bool = !stringify!($($traverse)?).is_empty();

            fn table() -> &'static loki_mode_spec::Model {
                static TABLE: std::sync::OnceLock<&'static loki_mode_spec::Model> = std::sync::OnceLock::new();
                $crate::models::class::table_of(stringify!($name), &TABLE)
            }

            fn from_values(
                py: pyo3::Python<'_>,
                values: $crate::models::Values<'_, '_>,
                extra: $crate::models::Extra,
            ) -> Self {
                let mut present = 0;
                let mut bit = 1;
                let mut next = || {
                    let value = values.next().flatten();
                    if value.is_some() {
                        present |= bit;
                    }
                    bit <<= 1;
                    value.map_or_else(|| py.None(), pyo3::Bound::unbind)
                };
                $(let $required = next();)*
                $(let $optional = next();)*
                $name { $($required,)* $($optional,)* present, extra }
            }

            fn containers() -> u64 {
                static MASK: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
                *MASK.get_or_init(|| $crate::models::class::containers_of(Self::table()))
            }

            fn holds_containers(&self, py: pyo3::Python<'_>) -> bool {
                let mut candidates = Self::containers() & self.present;
                let values = [$(&self.$required,)* $(&self.$optional,)*];
                while candidates != 0 {
                    let index = candidates.trailing_zeros() as usize;
                    if $crate::models::class::is_container(values[index].bind(py)) {
                        return true;
                    }
                    candidates &= candidates - 1;
                }
                false
            }
        }

        impl $name {
            fn with_view<T>(&self, look: impl FnOnce($crate::models::View<'_>) -> T) -> T {
                look($crate::models::View {
                    model: <Self as $crate::models::ModelClass>::table(),
                    values: &[$(&self.$required,)* $(&self.$optional,)*],
                    present: self.present,
                    extra: &self.extra,
                })
            }
        }

        #[pyo3::pymethods]
        impl $name {
            #[new]
            #[pyo3(signature = ($($required,)* $($optional = None,)*))]
            #[allow(clippy::too_many_arguments, reason = "one for each field of the model")]
            fn new<'py>(
                py: pyo3::Python<'py>,
                $($required: pyo3::Bound<'py, pyo3::PyAny>,)*
                $($optional: Option<pyo3::Bound<'py, pyo3::PyAny>>,)*
            ) -> pyo3::PyResult<Self> {
                $($crate::models::class::refuse_none(stringify!($name), stringify!($required), &$required)?;)*
                let values = [$(Some($required),)* $($optional,)*];
                Ok(<Self as $crate::models::ModelClass>::from_values(py, &mut values.into_iter(), Vec::new()))
            }

            /// The names of the fields in order, for `match` statements.
            #[classattr]
            fn __match_args__(py: pyo3::Python<'_>) -> pyo3::PyResult<pyo3::Py<pyo3::types::PyTuple>> {
                let names = <Self as $crate::models::ModelClass>::table().fields.iter().map(|field| field.name);
                Ok(pyo3::types::PyTuple::new(py, names.collect::<Vec<_>>())?.unbind())
            }

            /// Makes an instance from a dict such as `to_dict` returns; keys that are no fields are kept.
            ///
            /// Raises:
            ///     TypeError: A value, or `data` itself, is of the wrong type; the message says where.
            ///     ValueError: A required field is missing; the message says where.
            #[staticmethod]
            fn from_dict<'py>(
                data: &pyo3::Bound<'py, pyo3::PyAny>,
            ) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::PyAny>> {
                $crate::models::from_dict(<Self as $crate::models::ModelClass>::table(), data)
            }

            /// Makes an instance from what `__reduce__` kept of another.
            #[staticmethod]
            fn _restored<'py>(
                data: &pyo3::Bound<'py, pyo3::PyAny>,
            ) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::PyAny>> {
                $crate::models::restored(<Self as $crate::models::ModelClass>::table(), data)
            }

            /// Returns everything that the server sent as a new dict, unknown fields among it.
            fn to_dict<'py>(
                &self,
                py: pyo3::Python<'py>,
            ) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::types::PyDict>> {
                self.with_view(|view| view.to_dict(py))
            }

            fn __setattr__(
                &self,
                name: &pyo3::Bound<'_, pyo3::types::PyString>,
                value: &pyo3::Bound<'_, pyo3::PyAny>,
            ) -> pyo3::PyResult<()> {
                let _ = value;
                Err($crate::models::frozen(<Self as $crate::models::ModelClass>::table(), name))
            }

            fn __delattr__(&self, name: &pyo3::Bound<'_, pyo3::types::PyString>) -> pyo3::PyResult<()> {
                Err($crate::models::frozen(<Self as $crate::models::ModelClass>::table(), name))
            }

            fn __repr__(&self, py: pyo3::Python<'_>) -> pyo3::PyResult<String> {
                self.with_view(|view| view.repr(py))
            }

            fn __eq__(&self, py: pyo3::Python<'_>, other: pyo3::PyRef<'_, Self>) -> pyo3::PyResult<bool> {
                self.with_view(|view| other.with_view(|other| view.equals(py, &other)))
            }

            fn __hash__(&self, py: pyo3::Python<'_>) -> pyo3::PyResult<isize> {
                self.with_view(|view| view.hash(py))
            }

            fn __copy__(slf: pyo3::PyRef<'_, Self>) -> pyo3::PyRef<'_, Self> {
                slf
            }

            fn __deepcopy__<'py>(
                &self,
                py: pyo3::Python<'py>,
                memo: &pyo3::Bound<'py, pyo3::PyAny>,
            ) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::PyAny>> {
                // Containers are copied here, always: what `memo` knows is not shared between models.
                let _ = memo;
                self.with_view(|view| $crate::models::restored(view.model, view.to_dict(py)?.as_any()))
            }

            #[pyo3(signature = (**changes))]
            fn __replace__<'py>(
                &self,
                py: pyo3::Python<'py>,
                changes: Option<&pyo3::Bound<'py, pyo3::types::PyDict>>,
            ) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::PyAny>> {
                self.with_view(|view| $crate::models::replaced(py, &view, changes))
            }

            fn __reduce__<'py>(
                slf: &pyo3::Bound<'py, Self>,
            ) -> pyo3::PyResult<(pyo3::Bound<'py, pyo3::PyAny>, (pyo3::Bound<'py, pyo3::types::PyDict>,))> {
                use pyo3::types::PyAnyMethods;
                let rebuild = slf.get_type().getattr(pyo3::intern!(slf.py(), "_restored"))?;
                Ok((rebuild, (slf.get().to_dict(slf.py())?,)))
            }

            $(
                // There is no `__clear__`: nothing here can be changed, so that every cycle also goes through
                // something that can, and that is cleared instead.
                fn __traverse__(&self, visit: pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
                    let _reason = stringify!($traverse);
                    self.with_view(|view| view.traverse(&visit))
                }
            )?
        }
    };
}

/// Names all classes: makes instances by table entry and puts the classes into the module.
macro_rules! models {
    ($($name:ident,)*) => {
        /// Makes an instance of the class that stands for a model.
        pub(crate) fn instance<'py>(
            py: pyo3::Python<'py>,
            model: &'static loki_mode_spec::Model,
            values: $crate::models::Values<'_, 'py>,
            extra: $crate::models::Extra,
        ) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::PyAny>> {
            match model.name {
                $(stringify!($name) => $crate::models::make::<$name>(py, values, extra),)*
                other => Err(pyo3::exceptions::PySystemError::new_err(format!("{other} has no class"))),
            }
        }

        /// Puts every class into the module.
        pub(crate) fn register(module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
            use pyo3::types::PyModuleMethods;
            $(module.add_class::<$name>()?;)*
            Ok(())
        }
    };
}

pub(crate) use {model, models};
