//! What a task function looks like: an optional `&Job`, at most one input by value, and what it returns.

use syn::spanned::Spanned;
use syn::{Error, FnArg, Result, ReturnType, Signature, Type};

/// The part of a signature that decides how the function is called.
pub(crate) struct TaskSignature {
    pub(crate) takes_job: bool,
    pub(crate) input: Option<Type>,
    pub(crate) output: Returned,
}

/// What a task function returns.
pub(crate) enum Returned {
    /// Nothing, which is JSON `null`.
    Nothing,
    /// A value; the task cannot fail.
    Value(Type),
    /// A type whose last name is `Result`.
    Fallible(Type),
}

impl TaskSignature {
    pub(crate) fn read(signature: &Signature) -> Result<Self> {
        refuse_modifiers(signature)?;
        let mut arguments = signature.inputs.iter().map(argument_type).collect::<Result<Vec<_>>>()?.into_iter();
        let mut next = arguments.next();
        let takes_job = next.as_ref().is_some_and(is_job_reference);
        if takes_job {
            next = arguments.next();
        }
        let input = next.map(checked_input).transpose()?;
        if let Some(extra) = arguments.next() {
            return Err(Error::new(
                extra.span(),
                "a task takes one input, after an optional `&Job`; put several values into one `#[payload]` struct",
            ));
        }
        Ok(Self { takes_job, input, output: returned(&signature.output)? })
    }
}

fn refuse_modifiers(signature: &Signature) -> Result<()> {
    if let Some(keyword) = &signature.asyncness {
        return Err(Error::new(keyword.span(), "a task is a plain function; `async` tasks are not supported"));
    }
    if let Some(keyword) = &signature.abi {
        return Err(Error::new(keyword.span(), "a task is a plain Rust function, without `extern`"));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new(
            signature.generics.span(),
            "a task cannot be generic: its input and output are part of its contract",
        ));
    }
    Ok(())
}

fn argument_type(argument: &FnArg) -> Result<Type> {
    match argument {
        FnArg::Typed(typed) => Ok((*typed.ty).clone()),
        FnArg::Receiver(receiver) => Err(Error::new(receiver.span(), "a task is a free function, not a method")),
    }
}

fn checked_input(input: Type) -> Result<Type> {
    if is_job_reference(&input) {
        return Err(Error::new(input.span(), "`&Job` comes first and only once"));
    }
    if matches!(input, Type::Reference(_)) {
        return Err(Error::new(input.span(), "a task takes its input by value; only `&Job` is lent to it"));
    }
    if matches!(input, Type::ImplTrait(_)) {
        return Err(Error::new(input.span(), "the input of a task is a named type: it is part of its contract"));
    }
    refuse_byte_vector(&input)?;
    Ok(input)
}

fn returned(output: &ReturnType) -> Result<Returned> {
    let ReturnType::Type(_, written) = output else {
        return Ok(Returned::Nothing);
    };
    let written = (**written).clone();
    if matches!(written, Type::ImplTrait(_)) {
        return Err(Error::new(written.span(), "the output of a task is a named type: it is part of its contract"));
    }
    if !last_name_is(&written, "Result") {
        refuse_byte_vector(&written)?;
        return Ok(Returned::Value(written));
    }
    if let Some(success) = first_type_argument(&written) {
        refuse_byte_vector(success)?;
    }
    Ok(Returned::Fallible(written))
}

/// A `Vec<u8>` would travel as a JSON array of numbers, which nobody means.
fn refuse_byte_vector(written: &Type) -> Result<()> {
    let is_byte_vector =
        last_name_is(written, "Vec") && first_type_argument(written).is_some_and(|element| last_name_is(element, "u8"));
    if is_byte_vector {
        return Err(Error::new(
            written.span(),
            "`Vec<u8>` would travel as a JSON array of numbers; use `lovage_task::Bytes`",
        ));
    }
    Ok(())
}

fn is_job_reference(written: &Type) -> bool {
    matches!(written, Type::Reference(reference) if reference.mutability.is_none() && last_name_is(&reference.elem, "Job"))
}

fn last_name_is(written: &Type, name: &str) -> bool {
    matches!(written, Type::Path(path) if path.path.segments.last().is_some_and(|segment| segment.ident == name))
}

fn first_type_argument(written: &Type) -> Option<&Type> {
    let Type::Path(path) = written else { return None };
    let syn::PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        syn::GenericArgument::Type(inner) => Some(inner),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Returned, TaskSignature};

    fn read(text: &str) -> Result<TaskSignature, String> {
        let signature = syn::parse_str::<syn::Signature>(text).map_err(|error| error.to_string())?;
        TaskSignature::read(&signature).map_err(|error| error.to_string())
    }

    #[test]
    fn job_and_input_are_both_optional() {
        for (text, takes_job, has_input) in [
            ("fn f()", false, false),
            ("fn f(input: In)", false, true),
            ("fn f(job: &Job)", true, false),
            ("fn f(job: &lovage_task::Job, input: In)", true, true),
        ] {
            let read = read(text).unwrap();
            assert_eq!((read.takes_job, read.input.is_some()), (takes_job, has_input), "{text}");
        }
    }

    #[test]
    fn results_are_told_from_values() {
        assert!(matches!(read("fn f()").unwrap().output, Returned::Nothing));
        assert!(matches!(read("fn f() -> u64").unwrap().output, Returned::Value(_)));
        assert!(matches!(read("fn f() -> Result<u64, E>").unwrap().output, Returned::Fallible(_)));
        assert!(matches!(read("fn f() -> std::io::Result<u64>").unwrap().output, Returned::Fallible(_)));
    }

    #[test]
    fn signatures_that_cannot_be_tasks_are_refused_with_the_reason() {
        for (text, reason) in [
            ("async fn f()", "`async` tasks are not supported"),
            ("extern \"C\" fn f()", "without `extern`"),
            ("fn f<T>(input: T)", "cannot be generic"),
            ("fn f(&self)", "not a method"),
            ("fn f(a: A, b: B)", "takes one input"),
            ("fn f(job: &Job, a: A, b: B)", "takes one input"),
            ("fn f(job: &Job, again: &Job)", "comes first and only once"),
            ("fn f(input: &str)", "by value"),
            ("fn f(input: impl Into<String>)", "named type"),
            ("fn f(input: In) -> impl Serialize", "named type"),
            ("fn f(input: Vec<u8>)", "use `lovage_task::Bytes`"),
            ("fn f() -> Vec<u8>", "use `lovage_task::Bytes`"),
            ("fn f() -> Result<Vec<u8>, E>", "use `lovage_task::Bytes`"),
        ] {
            let error = read(text).err().unwrap_or_default();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
