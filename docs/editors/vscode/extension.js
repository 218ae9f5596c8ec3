// Starts `codeai lsp` for files that end in .cai.
const { workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

exports.activate = () => {
  const command = workspace.getConfiguration("codeai").get("command");
  const server = { command, args: ["lsp"] };
  client = new LanguageClient("codeai", "CodeAI", server, { documentSelector: [{ language: "cai" }] });
  return client.start();
};

exports.deactivate = () => client && client.stop();
