//! What a component exports that can be a task, and which of several shapes it is.

use crate::inspect::error::InspectError;
use crate::inspect::import::is_wasi03;
use crate::inspect::name::InterfaceName;
use crate::plain::from_binary;
use crate::plain::signature::Signature;
use lovage_job::catalog::{BodyType, Encoding, Entry, Export, Shape};
use lovage_job::limits::LimitsWish;
use lovage_job::name::{Digest, NAME_LENGTH_MAX, TaskName};
use std::collections::BTreeSet;
use wasmparser::component_types::{ComponentEntityType, ComponentFuncTypeId};
use wasmparser::types::TypesRef;

/// An exported function of plain types.
struct PlainFunction {
    interface: Option<String>,
    function: String,
    signature: Signature,
}

/// The exports of one component, by shape.
pub(crate) struct Offer {
    names: Vec<String>,
    functions: Vec<PlainFunction>,
}

impl Offer {
    /// Reads the exports `names` from the types of a validated component.
    pub(crate) fn read(names: Vec<String>, types: TypesRef<'_>) -> Result<Self, InspectError> {
        let mut functions = Vec::new();
        for name in &names {
            let interface = InterfaceName::parse(name);
            if interface.as_ref().is_some_and(is_wasi03) {
                return Err(InspectError::Wasi03 { name: name.clone() });
            }
            let Some(item) = types.component_item_for_export(name) else { continue };
            match item.ty {
                ComponentEntityType::Func(id) => functions.extend(function(types, None, name, id)),
                ComponentEntityType::Instance(id) if interface.is_none_or(|name| !is_ours(&name)) => {
                    let Some(instance) = types.get(id) else { continue };
                    for (member, item) in &instance.exports {
                        if let ComponentEntityType::Func(id) = item.ty {
                            functions.extend(function(types, Some(name), member, id));
                        }
                    }
                }
                _ => {}
            }
        }
        // Freestanding functions have the first choice of names.
        functions.sort_by_key(|function: &PlainFunction| function.interface.is_some());
        Ok(Self { names, functions })
    }

    /// The shape that was asked for, or the first by precedence.
    pub(crate) fn choose(&self, wanted: Option<Shape>) -> Result<Shape, InspectError> {
        let found = || self.names.clone();
        match wanted {
            Some(shape) if self.has(shape) => Ok(shape),
            Some(shape) => Err(InspectError::ShapeMissing { shape, found: found() }),
            None => {
                let first = Shape::ALL.into_iter().find(|shape| self.has(*shape));
                first.ok_or_else(|| InspectError::NoRunnableExport { found: found() })
            }
        }
    }

    fn has(&self, shape: Shape) -> bool {
        match shape {
            Shape::Handler => self.exports("lovage:task/handler", "0.1"),
            Shape::Http => self.exports("wasi:http/incoming-handler", "0.2"),
            Shape::Command => self.exports("wasi:cli/run", "0.2"),
            Shape::Function => !self.functions.is_empty(),
        }
    }

    fn exports(&self, path: &str, track: &str) -> bool {
        let mut interfaces = self.names.iter().filter_map(|name| InterfaceName::parse(name));
        interfaces.any(|interface| interface.path == path && interface.track() == Some(track))
    }

    /// The tasks of this component in a shape; those of a handler are known only once it runs.
    pub(crate) fn tasks(&self, shape: Shape) -> Vec<Export> {
        match shape {
            Shape::Handler => Vec::new(),
            Shape::Http => vec![whole(Shape::Http, Entry::Http)],
            Shape::Command => vec![whole(Shape::Command, Entry::Command)],
            Shape::Function => self.function_tasks(),
        }
    }

    fn function_tasks(&self) -> Vec<Export> {
        let mut taken = BTreeSet::new();
        let mut tasks = Vec::new();
        for PlainFunction { interface, function, signature } in &self.functions {
            let Some(name) = task_name(interface.as_deref(), function, &taken) else { continue };
            taken.insert(name.clone());
            tasks.push(Export {
                name,
                entry: Entry::Function { interface: interface.clone(), function: function.clone() },
                summary: None,
                input: signature.input_body(),
                output: signature.output_body(),
                limits: LimitsWish::default(),
                attempts_max: None,
            });
        }
        tasks
    }
}

/// A task that is a whole component.
fn whole(shape: Shape, entry: Entry) -> Export {
    // The names of shapes are names of tasks; a test says so.
    let name = shape.as_str().parse().unwrap_or_else(|_| fallback_name(shape.as_str()));
    let any = BodyType { encoding: Encoding::Bytes, schema: None };
    let (input, output) = (any.clone(), any);
    Export { name, entry, summary: None, input, output, limits: LimitsWish::default(), attempts_max: None }
}

/// True for interfaces that have a shape of their own.
fn is_ours(name: &InterfaceName<'_>) -> bool {
    name.package() == "lovage:task" || name.path.starts_with("wasi:")
}

fn function(
    types: TypesRef<'_>,
    interface: Option<&str>,
    name: &str,
    id: ComponentFuncTypeId,
) -> Option<PlainFunction> {
    // Methods and constructors of resources are named so.
    if name.starts_with('[') {
        return None;
    }
    let signature = from_binary::signature(types, id)?;
    Some(PlainFunction { interface: interface.map(str::to_owned), function: name.to_owned(), signature })
}

/// A name for a function: its own, else with its interface's, else one made from a hash of both.
fn task_name(interface: Option<&str>, function: &str, taken: &BTreeSet<TaskName>) -> Option<TaskName> {
    let own = function.to_ascii_lowercase();
    let short = interface.and_then(InterfaceName::parse).map(|name| name.interface().to_ascii_lowercase());
    let with_interface = short.map(|interface| format!("{interface}-{own}"));
    let full = format!("{}#{function}", interface.unwrap_or_default());
    let candidates = [Some(own.clone()), with_interface, Some(shortened(&own, &full))];
    let mut names = candidates.into_iter().flatten().filter_map(|name| name.parse::<TaskName>().ok());
    names.find(|name| !taken.contains(name))
}

/// A long name's beginning and eight digits of the hash of the full one.
fn shortened(name: &str, full: &str) -> String {
    let digest = Digest::of(full.as_bytes());
    let digits = digest.hex().get(..8).unwrap_or_default();
    let start = name.get(..NAME_LENGTH_MAX - 9).unwrap_or(name);
    format!("{}-{digits}", start.trim_end_matches('-'))
}

fn fallback_name(full: &str) -> TaskName {
    // Hexadecimal digits are always a name; the recursion ends there.
    let digest = Digest::of(full.as_bytes());
    digest.short().parse().unwrap_or_else(|_| fallback_name("task"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(interface: Option<&str>, function: &str, taken: &[&str]) -> String {
        let taken = taken.iter().map(|name| name.parse().unwrap()).collect();
        task_name(interface, function, &taken).unwrap().to_string()
    }

    #[test]
    fn functions_give_their_names() {
        assert_eq!(named(None, "add", &[]), "add");
        assert_eq!(named(None, "get-HTTP", &[]), "get-http");
        assert_eq!(named(Some("a:b/ops@1.0.0"), "add", &[]), "add");
        assert_eq!(named(Some("a:b/ops@1.0.0"), "add", &["add"]), "ops-add");
        let third = named(Some("a:b/ops@1.0.0"), "add", &["add", "ops-add"]);
        assert!(third.starts_with("add-") && third.len() == 12, "{third}");
    }

    #[test]
    fn long_names_are_shortened_and_stay_apart() {
        let long = "a-very-long-name-of-a-function-indeed";
        let (one, two) = (named(None, &format!("{long}-1"), &[]), named(None, &format!("{long}-2"), &[]));
        assert!(one != two && one.len() <= NAME_LENGTH_MAX && one.starts_with("a-very-long-name-of-a"), "{one} {two}");
    }

    #[test]
    fn the_names_of_shapes_are_names_of_tasks() {
        for shape in Shape::ALL {
            shape.as_str().parse::<TaskName>().unwrap();
        }
    }
}
