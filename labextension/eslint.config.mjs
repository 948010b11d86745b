import jupyter from '@jupyter/eslint-plugin';
import jsxA11y from 'eslint-plugin-jsx-a11y';
import reactHooks from 'eslint-plugin-react-hooks';
import tseslint from 'typescript-eslint';

// Which rules of Jupyter's plugin hold for sources; its other sets are for schemas and Galata.
const jupyterRules = jupyter.configs.recommended[0].rules;

export default tseslint.config(
  // The types in schema.ts are generated.
  { ignores: ['node_modules/**', 'lib/**', '*.mjs', '*.mts', 'style/**', 'src/api/schema.ts'] },
  {
    files: ['src/**/*.{ts,tsx}'],
    extends: [...tseslint.configs.recommendedTypeChecked, jsxA11y.flatConfigs.recommended],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname }
    },
    plugins: { jupyter, 'react-hooks': reactHooks },
    rules: {
      ...jupyterRules,
      // The whole extension is one chunk of some 60 kB; its parts are small and needed at once.
      'jupyter/prefer-lazy-imports': 'off',
      'react-hooks/rules-of-hooks': 'error',
      'react-hooks/exhaustive-deps': 'error',
      // Lumino's signals and React's hooks pass `this` themselves, or are given methods that need none.
      '@typescript-eslint/unbound-method': 'off',
      'no-console': 'error',
      'max-lines': ['error', 350],
      'no-restricted-syntax': [
        'error',
        {
          selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']",
          message: 'Stored content is hostile: render it as text (security rule R10).'
        },
        {
          selector: 'MemberExpression[property.name=/^(innerHTML|outerHTML|insertAdjacentHTML)$/]',
          message: 'Stored content is hostile: render it as text (security rule R10).'
        }
      ]
    }
  },
  {
    files: ['src/**/__tests__/**', 'src/testing/**'],
    rules: {
      'jupyter/no-untranslated-string': 'off',
      'jupyter/require-disposable-ownership': 'off'
    }
  }
);
