//! Whether the links of the models lead anywhere.

use super::RegistryError;
use crate::descriptor::ModelDescriptor;

/// Every link names the id or a key of its target. The target need not be in the registry: then the link is not followed.
pub(super) fn check(models: &[&'static ModelDescriptor]) -> Result<(), RegistryError> {
    for model in models {
        if let Some(link) = model.links().iter().find(|link| !link.is_possible()) {
            let target = link.target();
            let fields = target.id_fields().iter().chain(target.fields());
            let known: Vec<_> = fields.map(|field| field.document_name()).collect();
            return Err(RegistryError::Link {
                model: model.type_path(),
                target: target.type_path(),
                remote_key: link.remote_key(),
                known: known.join(", "),
            });
        }
    }
    Ok(())
}
