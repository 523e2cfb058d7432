//! The plain types of the component model.

/// The deepest nesting of a type.
pub(crate) const DEPTH_MAX: usize = 32;
/// The most parts of one signature. A type may use another twice, so a short one can have more parts than memory.
pub(crate) const PARTS_MAX: usize = 4096;

/// A type whose values are data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PlainType {
    Bool,
    U8,
    U16,
    U32,
    U64,
    S8,
    S16,
    S32,
    S64,
    F32,
    F64,
    Char,
    String,
    /// `list<u8>`.
    Bytes,
    List(Box<PlainType>),
    Record(Vec<(String, PlainType)>),
    Tuple(Vec<PlainType>),
    Variant(Vec<(String, Option<PlainType>)>),
    Enum(Vec<String>),
    Flags(Vec<String>),
    Option(Box<PlainType>),
    Result(Option<Box<PlainType>>, Option<Box<PlainType>>),
}

impl PlainType {
    /// `list<element>`.
    pub(crate) fn list(element: PlainType) -> Self {
        if element == Self::U8 { Self::Bytes } else { Self::List(Box::new(element)) }
    }

    /// True where a record may leave out a field of this type.
    pub(crate) fn is_optional(&self) -> bool {
        matches!(self, Self::Option(_))
    }
}

/// Counts the parts of a signature while it is read, and how deep the reader is.
pub(crate) struct Parts {
    left: usize,
    depth: usize,
}

impl Parts {
    pub(crate) fn new() -> Self {
        Self { left: PARTS_MAX, depth: 0 }
    }

    /// Reads one more part with `read`; nothing where there are too many or they nest too deep.
    pub(crate) fn enter<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.left = self.left.checked_sub(1)?;
        if self.depth >= DEPTH_MAX {
            return None;
        }
        self.depth += 1;
        let part = read(self);
        self.depth -= 1;
        part
    }
}
