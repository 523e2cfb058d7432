//! The code behind `#[task]`: the function unchanged, and beside it one entry in the component's list of tasks.

use proc_macro2::{Literal, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, ExprLit, ItemFn, Lit, Meta, Result};

use crate::names;
use crate::options::Options;
use crate::signature::{Returned, TaskSignature};

pub(crate) fn task(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let options: Options = syn::parse2(options)?;
    let function: ItemFn = syn::parse2(item)?;
    let signature = TaskSignature::read(&function.sig)?;
    let name = task_name(&options, &function)?;
    let entry = entry(&name, &options, &function, &signature);
    let run = run(&function, &signature);
    let unique = format!("__lovage_task_{name}");
    let conditions = function.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    Ok(quote! {
        #function

        #(#conditions)*
        const _: () = {
            // Two tasks of one name would give this symbol twice, which does not compile or link.
            #[unsafe(export_name = #unique)]
            static NAME_OF_ONE_TASK_ONLY: u8 = 0;

            #run

            ::lovage_task::__private::inventory::submit! { #entry }
        };
    })
}

fn task_name(options: &Options, function: &ItemFn) -> Result<String> {
    if let Some(name) = &options.name {
        return Ok(name.clone());
    }
    let name = names::from_function(&function.sig.ident.to_string());
    names::check(&name).map_err(|why| {
        Error::new(function.sig.ident.span(), format!("{why}; give one with `#[task(name = \"…\")]`"))
    })?;
    Ok(name)
}

fn entry(name: &str, options: &Options, function: &ItemFn, signature: &TaskSignature) -> TokenStream {
    let summary = optional(summary(&function.attrs).map(|text| Literal::string(&text)));
    let attempts_max = optional(options.attempts_max.map(Literal::u32_suffixed));
    let timeout_ms = optional(options.timeout_ms.map(Literal::u64_suffixed));
    let soft_timeout_ms = optional(options.soft_timeout_ms.map(Literal::u64_suffixed));
    let fuel = optional(options.fuel.map(Literal::u64_suffixed));
    let memory_bytes = optional(options.memory_bytes.map(Literal::u64_suffixed));
    let input = match &signature.input {
        Some(input) => quote_spanned! { input.span() => <#input as ::lovage_task::TaskInput>::form },
        None => quote! { <() as ::lovage_task::TaskInput>::form },
    };
    let output = match &signature.output {
        Returned::Nothing => quote! { <() as ::lovage_task::TaskOutput>::form },
        Returned::Value(output) => quote_spanned! { output.span() => <#output as ::lovage_task::TaskOutput>::form },
        Returned::Fallible(output) => {
            quote_spanned! { output.span() => <#output as ::lovage_task::__private::Fallible>::form }
        }
    };
    quote! {
        ::lovage_task::__private::Task {
            name: #name,
            summary: #summary,
            defaults: ::lovage_task::__private::Defaults {
                attempts_max: #attempts_max,
                timeout_ms: #timeout_ms,
                soft_timeout_ms: #soft_timeout_ms,
                fuel: #fuel,
                memory_bytes: #memory_bytes,
            },
            input: #input,
            output: #output,
            run,
        }
    }
}

fn run(function: &ItemFn, signature: &TaskSignature) -> TokenStream {
    let ident = &function.sig.ident;
    let input_type = signature.input.as_ref().map_or_else(|| quote! { () }, |input| quote! { #input });
    let decode_span = signature.input.as_ref().map_or_else(|| ident.span(), Spanned::span);
    let decode = quote_spanned! { decode_span => <#input_type as ::lovage_task::TaskInput>::decode(job, body)? };
    let job = signature.takes_job.then(|| quote! { job, });
    let input = signature.input.is_some().then(|| quote! { input });
    let call = quote! { #ident(#job #input) };
    let reply = match &signature.output {
        Returned::Nothing | Returned::Value(_) => {
            quote_spanned! { function.sig.output.span() => ::lovage_task::TaskOutput::encode(#call) }
        }
        Returned::Fallible(output) => {
            quote_spanned! { output.span() => ::lovage_task::__private::Fallible::encode(#call) }
        }
    };
    quote! {
        fn run(
            job: &::lovage_task::Job,
            body: ::std::vec::Vec<u8>,
        ) -> ::core::result::Result<::lovage_task::__private::Reply, ::lovage_task::TaskError> {
            #[allow(unused_variables, clippy::let_unit_value)]
            let input: #input_type = #decode;
            #[allow(clippy::unit_arg)]
            #reply
        }
    }
}

fn optional(value: Option<Literal>) -> TokenStream {
    value.map_or_else(
        || quote! { ::core::option::Option::None },
        |value| quote! { ::core::option::Option::Some(#value) },
    )
}

/// Gives the first paragraph of the doc comment as one line.
fn summary(attributes: &[Attribute]) -> Option<String> {
    let lines =
        attributes.iter().filter_map(doc_line).flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    let paragraph: Vec<String> = lines
        .map(|line| line.trim().to_owned())
        .skip_while(String::is_empty)
        .take_while(|line| !line.is_empty())
        .collect();
    (!paragraph.is_empty()).then(|| paragraph.join(" "))
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else { return None };
    let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &pair.value else { return None };
    // A macro-generated doc comment may hold several lines, and `/** */` holds none but its own.
    pair.path.is_ident("doc").then(|| if text.value().is_empty() { "\n".into() } else { text.value() })
}

#[cfg(test)]
mod tests {
    use super::{summary, task};
    use quote::quote;

    #[test]
    fn first_paragraph_of_the_doc_comment_is_the_summary() {
        let function: syn::ItemFn = syn::parse_quote! {
            /// Counts words
            /// and sentences.
            ///
            /// Slowly.
            fn count() {}
        };
        assert_eq!(summary(&function.attrs).as_deref(), Some("Counts words and sentences."));
    }

    #[test]
    fn undocumented_task_has_no_summary() {
        let function: syn::ItemFn = syn::parse_quote! { #[inline] fn count() {} };
        assert_eq!(summary(&function.attrs), None);
    }

    #[test]
    fn task_is_named_after_its_function() {
        let code = task(quote! {}, quote! { fn word_stats() {} }).unwrap().to_string();
        assert!(code.contains("\"word-stats\"") && code.contains("\"__lovage_task_word-stats\""), "{code}");
    }

    #[test]
    fn function_name_that_is_no_task_name_asks_for_one() {
        let error = task(quote! {}, quote! { fn _hidden() {} }).unwrap_err().to_string();
        assert!(error.contains("`-hidden`") && error.contains("#[task(name = "), "{error}");
    }

    #[test]
    fn only_functions_can_be_tasks() {
        assert!(task(quote! {}, quote! { struct Nothing; }).is_err());
    }
}
