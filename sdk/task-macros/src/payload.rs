//! The code behind `#[payload]`: the derives that JSON inputs and outputs need, pointed at the SDK's own serde
//! and schemars, so that an author depends on neither.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned;
use syn::{Error, Item, Result};

pub(crate) fn payload(options: &TokenStream, item: TokenStream) -> Result<TokenStream> {
    if !options.is_empty() {
        return Err(Error::new(
            options.span(),
            "`#[payload]` takes no options; use `#[serde(…)]` on the type or its fields",
        ));
    }
    let item: Item = syn::parse2(item)?;
    if !matches!(item, Item::Struct(_) | Item::Enum(_)) {
        return Err(Error::new(item.span(), "`#[payload]` stands on a struct or an enum"));
    }
    Ok(quote! {
        #[derive(
            ::lovage_task::__private::serde::Serialize,
            ::lovage_task::__private::serde::Deserialize,
            ::lovage_task::__private::schemars::JsonSchema,
        )]
        #[serde(crate = "::lovage_task::__private::serde")]
        #[schemars(crate = "::lovage_task::__private::schemars")]
        #item
    })
}

#[cfg(test)]
mod tests {
    use super::payload;
    use quote::quote;

    #[test]
    fn structs_and_enums_get_the_derives() {
        for item in [quote! { struct A { b: u8 } }, quote! { enum A { B } }] {
            let code = payload(&quote! {}, item).unwrap().to_string();
            assert!(code.contains("JsonSchema") && code.contains("Deserialize"), "{code}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        assert!(payload(&quote! {}, quote! { fn f() {} }).is_err());
        assert!(payload(&quote! { strict }, quote! { struct A; }).is_err());
    }
}
