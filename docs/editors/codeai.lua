-- Neovim 0.11 or later: copy this to ~/.config/nvim/plugin/codeai.lua
vim.filetype.add({ extension = { cai = "cai" } })
vim.lsp.config("codeai", { cmd = { "codeai", "lsp" }, filetypes = { "cai" }, root_markers = { ".git" } })
vim.lsp.enable("codeai")
vim.api.nvim_create_autocmd("FileType", {
  pattern = "cai",
  callback = function()
    vim.bo.commentstring = "# %s"
    vim.bo.shiftwidth, vim.bo.expandtab = 4, true
  end,
})
