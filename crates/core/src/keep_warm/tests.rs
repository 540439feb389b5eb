//! What the policy decides, and that nothing makes it leave its bounds.
