//! Lambda's control plane: one file per operation group, request to change of the store.
