"""How a backbone is used: one module per strategy of transfer learning."""
