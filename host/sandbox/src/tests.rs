//! Tests over whole components, written as text.
