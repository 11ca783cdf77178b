import js from "@eslint/js";
import reactHooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

// Everything the server sends may have been chosen by an attacker: it is shown as text and nothing else.
const hostileText = [
  {
    selector: "JSXAttribute[name.name='dangerouslySetInnerHTML'], Property[key.name='dangerouslySetInnerHTML']",
    message: "Text from the server is hostile: render it as text.",
  },
  {
    selector: "AssignmentExpression > MemberExpression.left[property.name=/^(innerHTML|outerHTML|srcdoc)$/]",
    message: "Text from the server is hostile: render it as text.",
  },
  {
    selector: "JSXAttribute[name.name=/^(href|src|action|formAction|xlinkHref)$/] > JSXExpressionContainer",
    message: "No address is made of data: a javascript: URL survives React.",
  },
];

const inlineStyle = {
  selector: "JSXAttribute[name.name='style']",
  message: "Styles belong into the .module.css file; only lengths that follow a number are inline.",
};

export default tseslint.config(
  { ignores: ["node_modules", "dist", "src/model/api.ts"] },
  js.configs.recommended,
  {
    files: ["**/*.{ts,tsx}"],
    extends: [tseslint.configs.strictTypeChecked, reactHooks.configs.flat["recommended-latest"]],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "no-restricted-syntax": ["error", ...hostileText, inlineStyle],
      // Formatters put numbers into template strings.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      // `onClick={() => setOpen(true)}` needs no braces.
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
    },
  },
  { files: ["pages/history/Durations", "pages/nodes/Lane", "ui/Bar", "ui/VirtualRows"].map((name) => `src/${name}.tsx`), rules: { "no-restricted-syntax": ["error", ...hostileText] } },
);
