//! Functions themselves: one file per operation.

mod account_settings;
mod create_function;
mod delete_function;
mod get_function;
mod list_functions;
mod update_function_code;
mod update_function_configuration;
